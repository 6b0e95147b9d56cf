import java.nio.file.Path;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.nodemanager.NodeManager;

/**
 * Several real NodeManagers in one process, for clusters of ten nodes on a machine of two cores.
 *
 * <p>They differ from daemons of their own only in sharing a heap: each has its address, its directories, its size and
 * its heartbeat, and starts containers as processes. They end, and their containers with them, at the end of standard
 * input, so that they cannot outlive the one who started them.
 *
 * <pre>java -cp ... ManyNodes DIRECTORY MEMORY_MB VCORES ADDRESS...</pre>
 */
public final class ManyNodes {
    private ManyNodes() {}

    public static void main(String[] arguments) throws Exception {
        // Each NodeManager registers metrics under the same names; a system of one node per process would refuse that.
        DefaultMetricsSystem.setMiniClusterMode(true);
        Path directory = Path.of(arguments[0]).toAbsolutePath();
        for (int i = 3; i < arguments.length; i++) {
            String address = arguments[i];
            YarnConfiguration configuration = new YarnConfiguration();
            configuration.set("yarn.nodemanager.hostname", address);
            configuration.set(YarnConfiguration.NM_ADDRESS, address + ":0");
            configuration.set(YarnConfiguration.NM_LOCALIZER_ADDRESS, address + ":0");
            configuration.set(YarnConfiguration.NM_WEBAPP_ADDRESS, address + ":0");
            configuration.set(YarnConfiguration.NM_LOCAL_DIRS, directory.resolve(address).resolve("local").toString());
            configuration.set(YarnConfiguration.NM_LOG_DIRS, directory.resolve(address).resolve("logs").toString());
            configuration.set(YarnConfiguration.NM_PMEM_MB, arguments[1]);
            configuration.set(YarnConfiguration.NM_VCORES, arguments[2]);
            NodeManager node = new NodeManager();
            node.init(configuration);
            node.start();
        }
        while (System.in.read() >= 0) {
            // Nothing is said on standard input; its end is the signal.
        }
        // The shutdown hook of the NodeManagers' services kills their containers.
        System.exit(0);
    }
}
