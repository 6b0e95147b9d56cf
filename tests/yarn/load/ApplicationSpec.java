import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * One application to submit, as a JSON object on the generator's standard input.
 *
 * @param name what the event log calls it; unique within a run
 * @param user the YARN user that submits it
 * @param queue the queue asked for; the ResourceManager's placement rules decide where it goes
 * @param at seconds after the line was read at which to submit it
 * @param containers how many containers have to run to their end before the application is finished
 * @param atOnce how many of them are asked for at a time; 0 asks for all
 * @param memoryMb memory of one container in MiB
 * @param vcores virtual cores of one container
 * @param masterMemoryMb memory of the application master's container in MiB
 * @param seconds how long each container runs
 */
record ApplicationSpec(
        @JsonProperty(value = "name", required = true) String name,
        @JsonProperty(value = "user", required = true) String user,
        @JsonProperty(value = "queue", required = true) String queue,
        @JsonProperty("at") double at,
        @JsonProperty(value = "containers", required = true) int containers,
        @JsonProperty("at_once") int atOnce,
        @JsonProperty(value = "memory_mb", required = true) int memoryMb,
        @JsonProperty(value = "vcores", required = true) int vcores,
        @JsonProperty(value = "master_memory_mb", required = true) int masterMemoryMb,
        @JsonProperty(value = "seconds", required = true) double seconds) {

    /** Containers to have running or asked for when {@code missing} have not run to their end yet. */
    int wanted(int missing) {
        return atOnce > 0 ? Math.min(atOnce, missing) : missing;
    }
}
