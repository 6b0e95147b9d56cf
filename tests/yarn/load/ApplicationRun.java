import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.reflect.UndeclaredThrowableException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PrivilegedExceptionAction;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.security.Credentials;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.yarn.api.records.ApplicationAttemptId;
import org.apache.hadoop.yarn.api.records.ApplicationId;
import org.apache.hadoop.yarn.api.records.ApplicationReport;
import org.apache.hadoop.yarn.api.records.ApplicationSubmissionContext;
import org.apache.hadoop.yarn.api.records.Container;
import org.apache.hadoop.yarn.api.records.ContainerExitStatus;
import org.apache.hadoop.yarn.api.records.ContainerId;
import org.apache.hadoop.yarn.api.records.ContainerLaunchContext;
import org.apache.hadoop.yarn.api.records.ContainerStatus;
import org.apache.hadoop.yarn.api.records.FinalApplicationStatus;
import org.apache.hadoop.yarn.api.records.Priority;
import org.apache.hadoop.yarn.api.records.Resource;
import org.apache.hadoop.yarn.api.records.YarnApplicationState;
import org.apache.hadoop.yarn.api.protocolrecords.AllocateResponse;
import org.apache.hadoop.yarn.client.api.AMRMClient;
import org.apache.hadoop.yarn.client.api.AMRMClient.ContainerRequest;
import org.apache.hadoop.yarn.client.api.NMClient;
import org.apache.hadoop.yarn.client.api.NMTokenCache;
import org.apache.hadoop.yarn.client.api.YarnClient;
import org.apache.hadoop.yarn.exceptions.YarnException;

/**
 * One application from its submission to its end.
 *
 * <p>The master is a shell in a real container. It lends its identity: it copies its token file, which only a running
 * master gets, into the handoff directory, and waits on a pipe until it may end. With that token this process speaks
 * for it. So a master takes the memory and the place on a node that it takes in life, without a JVM for each.
 *
 * <p>A container that was preempted or lost with its node is asked for again; a master too, as a new attempt.
 */
final class ApplicationRun implements Runnable {
    private static final long HEARTBEAT_MS = 300;
    private static final long HANDOFF_POLL_MS = 100;
    private static final Set<YarnApplicationState> OVER =
            EnumSet.of(YarnApplicationState.FINISHED, YarnApplicationState.FAILED, YarnApplicationState.KILLED);

    private final ApplicationSpec spec;
    private final Configuration configuration;
    private final Path handoff;
    private final long limitSeconds;
    private final EventLog log;
    private final UserGroupInformation owner;
    private final YarnClient client;
    private final long submitAt;

    private volatile boolean killed;
    private volatile ApplicationId id;
    private int missing;
    private final Set<ContainerId> running = new HashSet<>();
    private final Deque<ContainerRequest> asked = new ArrayDeque<>();

    /**
     * {@code client} was made by {@code owner} and is shared among the owner's applications. A master waits at most
     * {@code limitSeconds} for its end, so that none is left when this process dies.
     */
    ApplicationRun(
            ApplicationSpec spec,
            UserGroupInformation owner,
            YarnClient client,
            Configuration configuration,
            Path handoff,
            long limitSeconds,
            EventLog log) {
        this.spec = spec;
        this.configuration = configuration;
        this.handoff = handoff;
        this.limitSeconds = limitSeconds;
        this.log = log;
        this.owner = owner;
        this.client = client;
        this.submitAt = System.currentTimeMillis() + (long) (spec.at() * 1000);
        this.missing = spec.containers();
    }

    /** Have the ResourceManager kill the application as its owner; quiet when it is over or was never submitted. */
    void kill() {
        killed = true;
        try {
            if (id != null) {
                asOwner(() -> {
                    client.killApplication(id);
                    return null;
                });
            }
        } catch (IOException | InterruptedException e) {
            log.write("kill-failed", spec, "diagnostics", e.toString());
        }
    }

    @Override
    public void run() {
        try {
            while (System.currentTimeMillis() < submitAt && !killed) {
                Thread.sleep(Math.min(HANDOFF_POLL_MS, Math.max(1, submitAt - System.currentTimeMillis())));
            }
            if (!killed && submit()) {
                serveAttempts();
            }
        } catch (Exception e) {
            log.write("broken", spec, "diagnostics", e.toString());
        }
    }

    /** Submit as the owner. Returns whether the ResourceManager took it; a refusal is an event with its words. */
    private boolean submit() throws IOException, InterruptedException {
        log.write("submitted", spec, "user", spec.user(), "asked_queue", spec.queue());
        try {
            asOwner(() -> {
                ApplicationSubmissionContext context =
                        client.createApplication().getApplicationSubmissionContext();
                context.setApplicationName(spec.name());
                context.setQueue(spec.queue());
                context.setResource(Resource.newInstance(spec.masterMemoryMb(), 1));
                context.setAMContainerSpec(commands(List.of(
                        "mkfifo " + quoted(pipe("$CONTAINER_ID")),
                        "exec 3<>" + quoted(pipe("$CONTAINER_ID")),
                        "cp \"$HADOOP_TOKEN_FILE_LOCATION\" " + quoted(handoff + "/$CONTAINER_ID.part"),
                        "mv " + quoted(handoff + "/$CONTAINER_ID.part") + " " + quoted(handoff + "/$CONTAINER_ID.token"),
                        "read -t " + limitSeconds + " end <&3")));
                id = context.getApplicationId();
                client.submitApplication(context);
                return null;
            });
        } catch (IOException | UndeclaredThrowableException e) {
            log.write("refused", spec, "application", String.valueOf(id), "diagnostics", words(e));
            return false;
        }
        log.write("accepted", spec, "application", id.toString(), "queue", report().getQueue());
        return true;
    }

    private void serveAttempts() throws Exception {
        Set<ContainerId> served = new HashSet<>();
        while (!OVER.contains(report().getYarnApplicationState())) {
            ContainerId master = newMaster(served);
            if (master == null) {
                Thread.sleep(HANDOFF_POLL_MS);
                continue;
            }
            served.add(master);
            serve(master);
        }
        ApplicationReport last = report();
        log.write(last.getYarnApplicationState().name().toLowerCase(), spec, "diagnostics", last.getDiagnostics());
    }

    /** The container of a master that has handed over its token and was not served yet, or null. */
    private ContainerId newMaster(Set<ContainerId> served) throws IOException {
        try (var files = Files.newDirectoryStream(handoff, "*.token")) {
            for (Path file : files) {
                ContainerId master = ContainerId.fromString(file.getFileName().toString().replace(".token", ""));
                if (master.getApplicationAttemptId().getApplicationId().equals(id) && !served.contains(master)) {
                    return master;
                }
            }
        }
        return null;
    }

    /** Be the master of one attempt, until the work is done or the ResourceManager no longer knows the attempt. */
    private void serve(ContainerId master) throws Exception {
        ApplicationAttemptId attempt = master.getApplicationAttemptId();
        UserGroupInformation identity = UserGroupInformation.createRemoteUser(attempt.toString());
        identity.addCredentials(Credentials.readTokenStorageFile(
                handoff.resolve(master + ".token").toFile(), configuration));
        running.clear();
        asked.clear();
        NMTokenCache tokens = new NMTokenCache();
        AMRMClient<ContainerRequest> scheduler = AMRMClient.createAMRMClient();
        NMClient nodes = NMClient.createNMClient();
        scheduler.setNMTokenCache(tokens);
        nodes.setNMTokenCache(tokens);
        // Ending the generator must not end containers by the back door: the ResourceManager does it, as in life.
        nodes.cleanupRunningContainersOnStop(false);
        try {
            identity.doAs((PrivilegedExceptionAction<Void>) () -> {
                scheduler.init(configuration);
                scheduler.start();
                nodes.init(configuration);
                nodes.start();
                scheduler.registerApplicationMaster("localhost", 0, "");
                log.write("running", spec, "application", id.toString(), "attempt", attempt.getAttemptId());
                while (missing > 0) {
                    ask(scheduler);
                    heartbeat(scheduler, nodes);
                    Thread.sleep(HEARTBEAT_MS);
                }
                scheduler.unregisterApplicationMaster(FinalApplicationStatus.SUCCEEDED, "", "");
                return null;
            });
        } catch (IOException | UndeclaredThrowableException e) {
            // Killed, failed over to a new attempt, or its token is no longer known: the report says which.
            log.write("attempt-lost", spec, "attempt", attempt.getAttemptId(), "diagnostics", words(e));
        } finally {
            release(pipe(master.toString()));
            nodes.stop();
            scheduler.stop();
        }
    }

    private void ask(AMRMClient<ContainerRequest> scheduler) {
        while (running.size() + asked.size() < spec.wanted(missing)) {
            ContainerRequest request = new ContainerRequest(
                    Resource.newInstance(spec.memoryMb(), spec.vcores()), null, null, Priority.newInstance(1));
            asked.add(request);
            scheduler.addContainerRequest(request);
        }
    }

    private void heartbeat(AMRMClient<ContainerRequest> scheduler, NMClient nodes) throws YarnException, IOException {
        AllocateResponse response = scheduler.allocate(1 - (float) missing / spec.containers());
        for (Container container : response.getAllocatedContainers()) {
            if (asked.isEmpty()) {
                // A request and an allocation may cross on the way; what was not asked for goes back.
                scheduler.releaseAssignedContainer(container.getId());
                continue;
            }
            scheduler.removeContainerRequest(asked.poll());
            start(container, scheduler, nodes);
        }
        for (ContainerStatus status : response.getCompletedContainersStatuses()) {
            if (!running.remove(status.getContainerId())) {
                continue;
            }
            boolean done = status.getExitStatus() == ContainerExitStatus.SUCCESS;
            missing -= done ? 1 : 0;
            String event = switch (status.getExitStatus()) {
                case ContainerExitStatus.SUCCESS -> "completed";
                case ContainerExitStatus.PREEMPTED -> "preempted";
                default -> "lost";
            };
            log.write(event, spec, "container", status.getContainerId().toString(), "exit", status.getExitStatus());
        }
    }

    private void start(Container container, AMRMClient<ContainerRequest> scheduler, NMClient nodes) {
        String name = container.getId().toString();
        try {
            nodes.startContainer(container, commands(List.of("exec sleep " + spec.seconds())));
            running.add(container.getId());
            log.write("allocated", spec, "container", name, "node", container.getNodeId().getHost());
        } catch (YarnException | IOException e) {
            // Its node went away between the allocation and the start: the same as losing the container.
            scheduler.releaseAssignedContainer(container.getId());
            log.write("lost", spec, "container", name, "diagnostics", e.toString());
        }
    }

    private static ContainerLaunchContext commands(List<String> commands) {
        return ContainerLaunchContext.newInstance(Map.of(), Map.of(), List.of(String.join(" && ", commands)), null, null, null);
    }

    private String pipe(String container) {
        return handoff + "/" + container + ".pipe";
    }

    /** In double quotes, so that the shell still puts the container's id in. */
    private static String quoted(String path) {
        return '"' + path + '"';
    }

    /** Let the master end. Opened for reading too: that does not block when the master is already gone. */
    private static void release(String pipe) throws IOException {
        try (RandomAccessFile end = new RandomAccessFile(pipe, "rw")) {
            end.write('\n');
        }
    }

    /** What YARN said; its own exceptions come wrapped out of {@code doAs}. */
    private static String words(Exception e) {
        return (e instanceof UndeclaredThrowableException ? e.getCause() : e).getMessage();
    }

    private ApplicationReport report() throws IOException, InterruptedException {
        return asOwner(() -> client.getApplicationReport(id));
    }

    private <T> T asOwner(PrivilegedExceptionAction<T> action) throws IOException, InterruptedException {
        return owner.doAs(action);
    }
}
