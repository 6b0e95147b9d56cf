import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;

/** What happened, one JSON object a line: {@code time} (seconds since 1970), {@code event}, {@code name} and details. */
final class EventLog {
    private final ObjectMapper json = new ObjectMapper();
    private final PrintStream out;

    EventLog(PrintStream out) {
        this.out = out;
    }

    /** Write one event; {@code details} are keys and values in turn. */
    void write(String event, ApplicationSpec application, Object... details) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("time", System.currentTimeMillis() / 1000.0);
        line.put("event", event);
        line.put("name", application.name());
        for (int i = 0; i < details.length; i += 2) {
            line.put((String) details[i], details[i + 1]);
        }
        try {
            String text = json.writeValueAsString(line);
            synchronized (out) {
                out.println(text);
                out.flush();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
