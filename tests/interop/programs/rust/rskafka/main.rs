//! Scenarios of the crate rskafka, a client in plain Rust without groups: ADDRESS PREFIX [TEST].

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::{Record, RecordAndOffset};

async fn client(address: &str) -> Client {
    ClientBuilder::new(vec![address.to_string()]).build().await.unwrap()
}

async fn create(client: &Client, topic: &str, partitions: i32) -> PartitionClient {
    client.controller_client().unwrap().create_topic(topic, partitions, 1, 10_000).await.unwrap();
    client.partition_client(topic, 0, UnknownTopicHandling::Retry).await.unwrap()
}

fn record(n: i64, timestamp: i64) -> Record {
    Record {
        key: Some(format!("k{n}").into_bytes()),
        value: Some(n.to_string().into_bytes()),
        headers: BTreeMap::from([("h".to_string(), b"1".to_vec())]),
        timestamp: DateTime::<Utc>::from_timestamp_millis(timestamp).unwrap(),
    }
}

// An hour ago: what is older than its topic's retention may be gone before it is asked for.
fn first_ms() -> i64 {
    static FIRST: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *FIRST.get_or_init(|| (Utc::now().timestamp() - 3600) * 1000)
}

fn records(from: i64, to: i64) -> Vec<Record> {
    (from..to).map(|n| record(n, first_ms() + n * 1000)).collect()
}

async fn read(partition: &PartitionClient, from: i64, count: usize) -> Vec<RecordAndOffset> {
    let (mut seen, mut next) = (Vec::new(), from);
    while seen.len() < count {
        let (more, _) = partition.fetch_records(next, 1..1_000_000, 5_000).await.unwrap();
        assert!(!more.is_empty(), "{} of {count} records", seen.len());
        next = more.last().unwrap().offset + 1;
        seen.extend(more.into_iter().filter(|r| r.offset >= from));
    }
    seen
}

async fn topics(address: String, topic: String) {
    let client = client(&address).await;
    create(&client, &topic, 3).await;
    let listed = |all: Vec<rskafka::topic::Topic>| all.into_iter().find(|t| t.name == topic);
    assert_eq!(listed(client.list_topics().await.unwrap()).unwrap().partitions.len(), 3);
    let controller = client.controller_client().unwrap();
    assert!(controller.create_topic(topic.clone(), 1, 1, 10_000).await.is_err(), "created twice");
    controller.delete_topic(topic.clone(), 10_000).await.unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while listed(client.list_topics().await.unwrap()).is_some() {
        assert!(Instant::now() < end, "not deleted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn codecs(address: String, topic: String) {
    let client = client(&address).await;
    create(&client, &topic, 5).await;
    let all = [Compression::NoCompression, Compression::Gzip, Compression::Lz4, Compression::Snappy, Compression::Zstd];
    for (number, codec) in all.into_iter().enumerate() {
        let partition = client.partition_client(topic.clone(), number as i32, UnknownTopicHandling::Retry).await.unwrap();
        let sent = records(0, 300);
        assert_eq!(partition.produce(sent.clone(), codec).await.unwrap(), (0..300).collect::<Vec<i64>>());
        let told: Vec<Record> = read(&partition, 0, 300).await.into_iter().map(|r| r.record).collect();
        assert!(told == sent, "codec {number}: keys, values, headers and timestamps come back");
    }
}

async fn offsets(address: String, topic: String) {
    let client = client(&address).await;
    let partition = create(&client, &topic, 1).await;
    partition.produce(records(0, 10), Compression::NoCompression).await.unwrap();
    partition.produce(records(10, 20), Compression::Gzip).await.unwrap();
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await.unwrap(), 0);
    assert_eq!(partition.get_offset(OffsetAt::Latest).await.unwrap(), 20);
    let when = DateTime::<Utc>::from_timestamp_millis(first_ms() + 14_500).unwrap();
    assert_eq!(partition.get_offset(OffsetAt::Timestamp(when)).await.unwrap(), 15, "inside a compressed batch");
    assert_eq!(read(&partition, 17, 3).await[0].offset, 17);
}

async fn delete_records(address: String, topic: String) {
    let client = client(&address).await;
    let partition = create(&client, &topic, 1).await;
    for n in 0..10 {
        partition.produce(vec![record(n, first_ms())], Compression::NoCompression).await.unwrap();
    }
    partition.delete_records(4, 10_000).await.unwrap();
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await.unwrap(), 4);
    assert_eq!(read(&partition, 4, 6).await[0].offset, 4);
    assert!(partition.fetch_records(2, 1..1_000_000, 100).await.is_err(), "out of range");
}

async fn wakes(address: String, topic: String) {
    let client = client(&address).await;
    let partition = create(&client, &topic, 1).await;
    let began = Instant::now();
    let writer = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        partition.produce(vec![record(0, first_ms())], Compression::NoCompression).await.unwrap()
    };
    let other = client.partition_client(topic.clone(), 0, UnknownTopicHandling::Retry).await.unwrap();
    let (told, _) = tokio::join!(other.fetch_records(0, 1..1_000_000, 20_000), writer);
    assert_eq!(told.unwrap().0.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(10), "the long poll woke after {:?}", began.elapsed());
}

fn run<F: Future<Output = ()> + 'static>(test: F) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let limited = async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("not within 60 s") };
    let handle = local.spawn_local(limited);
    local.block_on(&runtime, handle).map_err(|e| match e.try_into_panic() {
        Ok(panic) => panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default(),
        Err(e) => e.to_string(),
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let only = arguments.get(3).cloned().unwrap_or_default();
    let mut failed = 0;
    for name in ["topics", "codecs", "offsets", "delete_records", "wakes"] {
        if !name.contains(&only) {
            continue;
        }
        let (began, address, topic) = (Instant::now(), arguments[1].clone(), format!("{}-{}", arguments[2], name.replace('_', "-")));
        let told = match name {
            "topics" => run(topics(address, topic)),
            "codecs" => run(codecs(address, topic)),
            "offsets" => run(offsets(address, topic)),
            "delete_records" => run(delete_records(address, topic)),
            _ => run(wakes(address, topic)),
        };
        let outcome = if told.is_ok() { "passed" } else { "failed" };
        failed += told.is_err() as i32;
        let detail: String = told.err().unwrap_or_default().chars().map(|c| if c == '"' || c == '\\' || c.is_control() { ' ' } else { c }).collect();
        println!("{{\"test\": {name:?}, \"outcome\": {outcome:?}, \"seconds\": {:.2}, \"detail\": \"{detail}\"}}", began.elapsed().as_secs_f64());
    }
    std::process::exit((failed > 0) as i32);
}
