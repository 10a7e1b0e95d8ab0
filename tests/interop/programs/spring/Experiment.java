import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Configuration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.core.ConsumerFactory;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.support.Acknowledgment;
import org.springframework.kafka.support.KafkaHeaders;
import org.springframework.messaging.handler.annotation.Header;
import org.springframework.messaging.handler.annotation.Payload;

/**
 * Spring Boot 2.0 with spring-kafka: a template that sends, a group with manual acknowledgement whose members share three partitions
 * and take over, a second group that starts at the end, and a consumer that seeks to offset 11.
 */
@Configuration
@EnableAutoConfiguration
public class Experiment {
    static final Map<String, Set<Integer>> partitions = new ConcurrentHashMap<>();
    static final Queue<String> mine = new ConcurrentLinkedQueue<>(), other = new ConcurrentLinkedQueue<>();

    /** One member of a group; each application context has one. */
    public static class Listener {
        @org.springframework.beans.factory.annotation.Value("${experiment.member}") String member;

        @KafkaListener(topics = "${experiment.topic}")
        public void take(@Payload List<String> values, @Header(KafkaHeaders.RECEIVED_PARTITION_ID) List<Integer> from,
                @Header(KafkaHeaders.OFFSET) List<Long> offsets, Acknowledgment ack) {
            for (int i = 0; i < values.size(); i++) {
                partitions.computeIfAbsent(member, m -> ConcurrentHashMap.newKeySet()).add(from.get(i));
                (member.startsWith("other") ? other : mine).add(values.get(i));
            }
            ack.acknowledge();
        }
    }

    @org.springframework.context.annotation.Bean
    public Listener listener() { return new Listener(); }

    static String address, topic;

    static ConfigurableApplicationContext member(String member, String group, String reset) {
        return new SpringApplicationBuilder(Experiment.class).web(WebApplicationType.NONE).logStartupInfo(false)
                .run("--experiment.member=" + member, "--experiment.topic=" + topic, "--spring.kafka.bootstrap-servers=" + address,
                        "--spring.kafka.consumer.group-id=" + group, "--spring.kafka.consumer.auto-offset-reset=" + reset,
                        "--spring.kafka.consumer.enable-auto-commit=false", "--spring.kafka.listener.ack-mode=manual",
                        "--spring.kafka.listener.type=batch", "--spring.kafka.properties.session.timeout.ms=6000",
                        "--spring.kafka.properties.heartbeat.interval.ms=500", "--spring.kafka.properties.metadata.max.age.ms=2000",
                        "--spring.main.banner-mode=off", "--logging.level.root=error", "--spring.jmx.enabled=false");
    }

    static void send(ConfigurableApplicationContext app, int from, int to) throws Exception {
        @SuppressWarnings("unchecked") KafkaTemplate<String, String> template = app.getBean(KafkaTemplate.class);
        for (int i = from; i < to; i++) template.send(topic, i % 3, "k" + i, "v" + i).get(20, TimeUnit.SECONDS);
    }

    interface Check { boolean get() throws Exception; }

    static void until(String what, Check check) throws Exception {
        long end = System.nanoTime() + 40_000_000_000L;
        while (System.nanoTime() < end) {
            if (check.get()) return;
            Thread.sleep(100);
        }
        throw new AssertionError("not within 40 s: " + what + "; partitions " + partitions + ", mine " + mine.size() + ", other " + other.size());
    }

    static int failed = 0;

    interface Body { void run() throws Exception; }

    static void test(String name, Body body) throws Exception {
        long began = System.nanoTime();
        String outcome = "passed", detail = "";
        try {
            body.run();
        } catch (Throwable e) {
            outcome = "failed";
            detail = e.toString();
            failed++;
        }
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("test", name);
        line.put("outcome", outcome);
        line.put("seconds", (System.nanoTime() - began) / 10_000_000 / 100.0);
        line.put("detail", detail);
        String text = new ObjectMapper().writeValueAsString(line);
        System.out.println(text.replace("{\"test\":", "{\"test\": "));
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        address = args[0];
        topic = args[1];
        List<ConfigurableApplicationContext> apps = new ArrayList<>();
        test("three_partitions", () -> {
            try (AdminClient admin = AdminClient.create(Collections.singletonMap("bootstrap.servers", (Object) address))) {
                admin.createTopics(Collections.singletonList(new NewTopic(topic, 3, (short) 1))).all().get(20, TimeUnit.SECONDS);
                until("three partitions", () -> admin.describeTopics(Collections.singletonList(topic)).all().get().get(topic).partitions().size() == 3);
            }
        });
        test("one_member_reads_all", () -> {
            apps.add(member("one", "mygroup-" + topic, "earliest"));
            send(apps.get(0), 0, 60);
            until("all read", () -> new HashSet<>(mine).size() == 60 && partitions.get("one").size() == 3);
        });
        test("group_shares", () -> {
            apps.add(member("two", "mygroup-" + topic, "earliest"));
            Thread.sleep(3000);
            partitions.clear();
            send(apps.get(0), 60, 120);
            until("shared", () -> new HashSet<>(mine).size() == 120 && partitions.size() == 2
                    && partitions.get("one").size() + partitions.get("two").size() == 3);
        });
        test("group_takes_over", () -> {
            apps.get(1).close();
            Thread.sleep(1000);
            partitions.clear();
            send(apps.get(0), 120, 180);
            until("taken over", () -> new HashSet<>(mine).size() == 180 && partitions.size() == 1 && partitions.get("one").size() == 3);
        });
        test("manual_acknowledgement_is_kept", () -> {
            apps.get(0).close();
            int before = mine.size();
            ConfigurableApplicationContext again = member("three", "mygroup-" + topic, "earliest");
            apps.add(again);
            send(again, 180, 183);
            until("three new ones", () -> mine.contains("v180") && mine.contains("v181") && mine.contains("v182"));
            Thread.sleep(500);
            if (mine.size() != before + 3) throw new AssertionError("read again: " + (mine.size() - before - 3));
        });
        test("second_group_from_the_end", () -> {
            ConfigurableApplicationContext second = member("other", "myother-" + topic, "latest");
            apps.add(second);
            Thread.sleep(3000);
            send(second, 200, 209);
            until("nine", () -> other.size() == 9);
        });
        test("assign_and_seek_to_11", () -> {
            @SuppressWarnings("unchecked") ConsumerFactory<String, String> factory = apps.get(apps.size() - 1).getBean(ConsumerFactory.class);
            try (Consumer<String, String> c = factory.createConsumer()) {
                TopicPartition p = new TopicPartition(topic, 0);
                c.assign(Collections.singletonList(p));
                c.seek(p, 11);
                List<ConsumerRecord<String, String>> told = new ArrayList<>();
                until("records", () -> { c.poll(200).forEach(told::add); return told.size() >= 10; });
                if (told.get(0).offset() != 11 || !told.get(0).value().equals("v33")) throw new AssertionError(told.get(0).toString());
            }
        });
        for (ConfigurableApplicationContext app : apps) app.close();
        System.exit(failed == 0 ? 0 : 1);
    }
}
