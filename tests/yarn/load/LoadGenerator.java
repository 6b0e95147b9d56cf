import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.PrivilegedAction;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.yarn.client.api.YarnClient;
import org.apache.hadoop.yarn.conf.YarnConfiguration;

/**
 * Load for a real ResourceManager: many users' applications, driven from one process.
 *
 * <p>Each application has a real master container and real worker containers, so it counts against queues and nodes as
 * any other does; what runs in them is a shell that waits. The masters' side of the protocol (register, ask, hear of
 * preemption) is spoken here, see {@link ApplicationRun}.
 *
 * <p>Standard input takes one JSON object a line: {@code {"submit": ApplicationSpec}}, {@code {"kill": NAME}} and
 * {@code {"end": true}}. Standard output is the {@link EventLog}. The process ends when {@code end} was read and every
 * application is over. End of input without {@code end}, or {@code SECONDS} since the start, kills what still runs: a
 * caller that dies leaves no load behind.
 *
 * <pre>java -cp ... LoadGenerator HANDOFF_DIRECTORY SECONDS</pre>
 */
public final class LoadGenerator {
    private final ObjectMapper json = new ObjectMapper();
    private final Map<String, ApplicationRun> runs = new ConcurrentHashMap<>();
    private final Map<String, User> users = new ConcurrentHashMap<>();
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final YarnConfiguration configuration = new YarnConfiguration();
    private final EventLog log;
    private final Path handoff;
    private final long seconds;

    private LoadGenerator(Path handoff, long seconds, EventLog log) {
        this.handoff = handoff;
        this.seconds = seconds;
        this.log = log;
        // How often a submission is looked at until the scheduler has taken it; the default of 200 ms would be most of
        // the waiting time measured on an empty cluster.
        configuration.setLong(YarnConfiguration.YARN_CLIENT_APPLICATION_CLIENT_PROTOCOL_POLL_INTERVAL_MS, 50);
    }

    public static void main(String[] arguments) throws Exception {
        // Standard output belongs to the events; Hadoop's logging, which may go there, is sent to standard error.
        EventLog log = new EventLog(System.out);
        System.setOut(System.err);
        long seconds = Long.parseLong(arguments[1]);
        LoadGenerator generator = new LoadGenerator(Path.of(arguments[0]).toAbsolutePath(), seconds, log);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        Thread reader = new Thread(generator::readCommands, "commands");
        reader.setDaemon(true);
        reader.start();
        reader.join(remaining(deadline));
        generator.threads.shutdown();
        boolean over = generator.threads.awaitTermination(remaining(deadline), TimeUnit.MILLISECONDS);
        if (!over) {
            generator.killAll();
        }
        System.exit(over ? 0 : 1);
    }

    private static long remaining(long deadline) {
        return Math.max(1, TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime()));
    }

    private void readCommands() {
        try (BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                JsonNode command = json.readTree(line);
                if (command.has("end")) {
                    return;
                }
                if (command.has("kill")) {
                    ApplicationRun run = runs.get(command.get("kill").asText());
                    threads.submit(run::kill);
                } else {
                    submit(json.treeToValue(command.get("submit"), ApplicationSpec.class));
                }
            }
        } catch (IOException e) {
            System.err.println("A command could not be read, everything is killed: " + e);
        }
        killAll();
    }

    private void submit(ApplicationSpec specification) {
        User user = users.computeIfAbsent(specification.user(), this::user);
        ApplicationRun run = new ApplicationRun(
                specification, user.identity(), user.client(), configuration, handoff, seconds, log);
        runs.put(specification.name(), run);
        threads.submit(run);
    }

    /** Who submits, with a client of their own: what YARN calls the user is who made the client's connection. */
    private record User(UserGroupInformation identity, YarnClient client) {}

    private User user(String name) {
        UserGroupInformation identity = UserGroupInformation.createRemoteUser(name);
        YarnClient client = identity.doAs((PrivilegedAction<YarnClient>) YarnClient::createYarnClient);
        client.init(configuration);
        identity.doAs((PrivilegedAction<Void>) () -> {
            client.start();
            return null;
        });
        return new User(identity, client);
    }

    private void killAll() {
        runs.values().parallelStream().forEach(ApplicationRun::kill);
    }
}
