//! Scenarios of the crate rdkafka, with the librdkafka that it bundles: ADDRESS PREFIX [TEST].

use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant, SystemTime};

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

const PATIENCE: Duration = Duration::from_secs(30);

struct Weir {
    address: String,
}

fn until(what: &str, mut check: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if check() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("not within 30 s: {what}");
}

impl Weir {
    fn config(&self, more: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        for (name, value) in more {
            config.set(*name, *value);
        }
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config(&[]).create().unwrap()
    }

    fn create(&self, topic: &str, partitions: i32) -> AdminClient<DefaultClientContext> {
        let admin = self.admin();
        let told = block_on(admin.create_topics(&[NewTopic::new(topic, partitions, TopicReplication::Fixed(1))], &AdminOptions::new())).unwrap();
        assert_eq!(told, [Ok(topic.to_string())]);
        admin
    }

    fn produce(&self, topic: &str, partition: i32, numbers: std::ops::Range<i32>, more: &[(&str, &str)]) {
        let producer: ThreadedProducer<DefaultProducerContext> = self.config(more).create().unwrap();
        for n in numbers {
            let (key, value) = (format!("k{n}"), n.to_string());
            let headers = OwnedHeaders::new().insert(Header { key: "h", value: Some("1") });
            producer.send(BaseRecord::to(topic).partition(partition).key(&key).payload(&value).headers(headers)).map_err(|(e, _)| e).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    fn consumer(&self, group: &str, more: &[(&str, &str)]) -> BaseConsumer {
        let mut config = self.config(&[("group.id", group), ("auto.offset.reset", "earliest"), ("enable.auto.commit", "false"), ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "300")]);
        for (name, value) in more {
            config.set(*name, *value);
        }
        config.create().unwrap()
    }

    fn read(&self, topic: &str, partition: i32, from: Offset, count: usize) -> Vec<OwnedMessage> {
        let consumer = self.consumer("reader", &[]);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, from).unwrap();
        consumer.assign(&list).unwrap();
        let mut seen = Vec::new();
        until("all records", || {
            seen.extend(poll(&consumer, CommitMode::Async, false));
            seen.len() >= count
        });
        assert_eq!(seen.len(), count);
        seen
    }
}

/// What is there within a tenth of a second.
fn poll(consumer: &BaseConsumer, mode: CommitMode, commit: bool) -> Vec<OwnedMessage> {
    let (mut seen, end) = (Vec::new(), Instant::now() + Duration::from_millis(100));
    while Instant::now() < end {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
            if commit {
                consumer.commit_message(&message, mode).unwrap();
            }
            seen.push(message.detach());
        }
    }
    seen
}

fn value(message: &OwnedMessage) -> String {
    String::from_utf8(message.payload().unwrap().to_vec()).unwrap()
}

fn admin(weir: &Weir, topic: &str) {
    let (admin, options) = (weir.create(topic, 3), AdminOptions::new());
    let again = block_on(admin.create_topics(&[NewTopic::new(topic, 1, TopicReplication::Fixed(1))], &options)).unwrap();
    assert_eq!(again, [Err((topic.to_string(), RDKafkaErrorCode::TopicAlreadyExists))]);
    block_on(admin.create_partitions(&[NewPartitions::new(topic, 5)], &options)).unwrap()[0].as_ref().unwrap();
    let count = || admin.inner().fetch_metadata(Some(topic), PATIENCE).unwrap().topics()[0].partitions().len();
    until("five partitions", || count() == 5);
    let resource = || ResourceSpecifier::Topic(topic);
    let config = |name: &str| {
        let told = block_on(admin.describe_configs(&[resource()], &options)).unwrap().remove(0).unwrap();
        told.entry_map().get(name).unwrap().value.clone().unwrap()
    };
    assert_eq!(config("cleanup.policy"), "delete");
    block_on(admin.alter_configs(&[AlterConfig::new(resource()).set("retention.ms", "1234567")], &options)).unwrap()[0].as_ref().unwrap();
    assert_eq!(config("retention.ms"), "1234567");
    assert_eq!(block_on(admin.delete_topics(&[topic], &options)).unwrap(), [Ok(topic.to_string())]);
    until("deleted", || admin.inner().fetch_metadata(None, PATIENCE).unwrap().topics().iter().all(|t| t.name() != topic));
}

fn codecs(weir: &Weir, topic: &str) {
    weir.create(topic, 5);
    for (partition, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].iter().enumerate() {
        weir.produce(topic, partition as i32, 0..300, &[("compression.type", codec), ("linger.ms", "20")]);
        for (i, m) in weir.read(topic, partition as i32, Offset::Beginning, 300).iter().enumerate() {
            let header = m.headers().unwrap().get(0);
            assert_eq!((value(m), m.key().unwrap(), header.key, header.value.unwrap()), (i.to_string(), format!("k{i}").as_bytes(), "h", &b"1"[..]), "{codec}");
        }
    }
}

fn acks(weir: &Weir, topic: &str) {
    weir.create(topic, 1);
    for (i, level) in ["0", "1", "all"].iter().enumerate() {
        weir.produce(topic, 0, i as i32 * 10..i as i32 * 10 + 10, &[("acks", level)]);
    }
    weir.read(topic, 0, Offset::Beginning, 30);
}

fn idempotent(weir: &Weir, topic: &str) {
    weir.create(topic, 1);
    weir.produce(topic, 0, 0..2000, &[("enable.idempotence", "true"), ("batch.num.messages", "20")]);
    let seen = weir.read(topic, 0, Offset::Beginning, 2000);
    assert!(seen.iter().enumerate().all(|(i, m)| value(m) == i.to_string() && m.offset() == i as i64), "in order, each once");
}

fn offsets(weir: &Weir, topic: &str) {
    weir.create(topic, 1);
    weir.produce(topic, 0, 0..10, &[]);
    std::thread::sleep(Duration::from_millis(20));
    let middle = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64;
    std::thread::sleep(Duration::from_millis(20));
    weir.produce(topic, 0, 10..20, &[]);
    let consumer = weir.consumer(topic, &[]);
    assert_eq!(consumer.fetch_watermarks(topic, 0, PATIENCE).unwrap(), (0, 20));
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_offset(topic, 0, Offset::Offset(middle)).unwrap();
    let told = consumer.offsets_for_times(wanted, PATIENCE).unwrap();
    assert_eq!(told.find_partition(topic, 0).unwrap().offset(), Offset::Offset(10));
    assert_eq!(value(&weir.read(topic, 0, Offset::OffsetTail(3), 3)[0]), "17");
}

fn resume(weir: &Weir, topic: &str) {
    let admin = weir.create(topic, 1);
    for numbers in [0..10, 10..15] {
        weir.produce(topic, 0, numbers.clone(), &[]);
        let consumer = weir.consumer(topic, &[]);
        consumer.subscribe(&[topic]).unwrap();
        let mut seen = Vec::new();
        until("what is new", || {
            seen.extend(poll(&consumer, CommitMode::Sync, true));
            seen.len() >= numbers.len()
        });
        assert_eq!(seen.iter().map(value).collect::<Vec<_>>(), numbers.map(|n| n.to_string()).collect::<Vec<_>>());
    }
    let groups = admin.inner().fetch_group_list(Some(topic), PATIENCE).unwrap();
    assert_eq!(groups.groups()[0].name(), topic);
    until("the group is deleted", || block_on(admin.delete_groups(&[topic], &AdminOptions::new())).unwrap()[0].is_ok());
}

fn rebalance(weir: &Weir, topic: &str) {
    share(weir, topic, "range");
}

fn cooperative(weir: &Weir, topic: &str) {
    share(weir, topic, "cooperative-sticky");
}

fn share(weir: &Weir, topic: &str, strategy: &str) {
    weir.create(topic, 4);
    let join = || {
        let consumer = weir.consumer(topic, &[("partition.assignment.strategy", strategy)]);
        consumer.subscribe(&[topic]).unwrap();
        consumer
    };
    let own = |c: &BaseConsumer| c.assignment().unwrap().count();
    let mut seen = BTreeMap::new();
    let mut take = |c: &BaseConsumer| {
        for m in poll(c, CommitMode::Sync, true) {
            *seen.entry(value(&m)).or_insert(0) += 1;
        }
        seen.len()
    };
    let one = join();
    until("the first has all", || take(&one) == 0 && own(&one) == 4);
    let two = join();
    until("two and two", || take(&one) + take(&two) == 0 && own(&one) == 2 && own(&two) == 2);
    for p in 0..4 {
        weir.produce(topic, p, p * 100..p * 100 + 25, &[]);
    }
    until("all read", || take(&one).max(take(&two)) == 100);
    drop(two);
    until("takes over", || take(&one) == 100 && own(&one) == 4);
    weir.produce(topic, 3, 1000..1001, &[]);
    until("reads what the other had", || take(&one) == 101);
    assert!(seen.values().all(|n| *n == 1), "each once");
}

fn delete_records(weir: &Weir, topic: &str) {
    let admin = weir.create(topic, 1);
    weir.produce(topic, 0, 0..10, &[]);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(4)).unwrap();
    block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    assert_eq!(value(&weir.read(topic, 0, Offset::Beginning, 6)[0]), "4");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let weir = Weir { address: arguments[1].clone() };
    let only = arguments.get(3).cloned().unwrap_or_default();
    let tests: [(&str, fn(&Weir, &str)); 9] = [("admin", admin), ("codecs", codecs), ("acks", acks), ("idempotent", idempotent), ("offsets", offsets),
        ("resume", resume), ("rebalance", rebalance), ("cooperative", cooperative), ("delete_records", delete_records)];
    let mut failed = 0;
    for (name, test) in tests.iter().filter(|t| t.0.contains(&only)) {
        let began = Instant::now();
        let topic = format!("{}-{}", arguments[2], name.replace('_', "-"));
        let (outcome, detail) = match catch_unwind(AssertUnwindSafe(|| test(&weir, &topic))) {
            Ok(()) => ("passed", String::new()),
            Err(e) => ("failed", e.downcast_ref::<String>().cloned().or(e.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default()),
        };
        failed += (outcome == "failed") as i32;
        println!("{{\"test\": {name:?}, \"outcome\": {outcome:?}, \"seconds\": {:.2}, \"detail\": {}}}", began.elapsed().as_secs_f64(), json(&detail));
    }
    std::process::exit((failed > 0) as i32);
}

fn json(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c == '"' || c == '\\' || c.is_control() { ' ' } else { c }).collect();
    format!("\"{plain}\"")
}
