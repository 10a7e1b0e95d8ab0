// Scenarios of confluent-kafka-go, with the librdkafka that it bundles.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	. "weir.interop/suite"
)

func config(more ...any) *kafka.ConfigMap {
	c := kafka.ConfigMap{"bootstrap.servers": Address}
	for i := 0; i < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	return &c
}

func admin() *kafka.AdminClient {
	a, err := kafka.NewAdminClient(config())
	Must(err)
	return a
}

func background() context.Context { return context.Background() }

func create(topic string, partitions int) *kafka.AdminClient {
	a := admin()
	told, err := a.CreateTopics(background(), []kafka.TopicSpecification{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}})
	Must(err)
	Expect(told[0].Error.Code(), kafka.ErrNoError, "created")
	return a
}

// produce returns the offsets that were acknowledged.
func produce(topic string, partition int32, from, to int, more ...any) (offsets []int64) {
	p, err := kafka.NewProducer(config(more...))
	Must(err)
	defer p.Close()
	reports := make(chan kafka.Event, to-from)
	for i := from; i < to; i++ {
		Must(p.Produce(&kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: partition}, Key: []byte(fmt.Sprint("k", i)),
			Value: []byte(fmt.Sprint(i)), Headers: []kafka.Header{{Key: "h", Value: []byte("1")}}}, reports))
	}
	Expect(p.Flush(30000), 0, "left in the queue")
	for i := from; i < to; i++ {
		m := (<-reports).(*kafka.Message)
		Must(m.TopicPartition.Error)
		offsets = append(offsets, int64(m.TopicPartition.Offset))
	}
	return
}

func consumer(group string, more ...any) *kafka.Consumer {
	c, err := kafka.NewConsumer(config(append([]any{"group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", false,
		"session.timeout.ms", 6000, "heartbeat.interval.ms", 300}, more...)...))
	Must(err)
	return c
}

// poll takes what is there within a tenth of a second.
func poll(c *kafka.Consumer) (seen []*kafka.Message) {
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
		if m, ok := c.Poll(20).(*kafka.Message); ok && m.TopicPartition.Error == nil {
			seen = append(seen, m)
		}
	}
	return
}

func read(topic string, partition int32, from kafka.Offset, count int) (seen []*kafka.Message) {
	c := consumer("reader")
	defer c.Close()
	Must(c.Assign([]kafka.TopicPartition{{Topic: &topic, Partition: partition, Offset: from}}))
	Until(fmt.Sprint(count, " records"), func() bool { seen = append(seen, poll(c)...); return len(seen) >= count })
	Expect(len(seen), count, "records")
	return
}

func topics(topic string) {
	a := create(topic, 3)
	defer a.Close()
	told, err := a.DescribeTopics(background(), kafka.NewTopicCollectionOfTopicNames([]string{topic}))
	Must(err)
	Expect(len(told.TopicDescriptions[0].Partitions), 3, "partitions")
	_, err = a.CreatePartitions(background(), []kafka.PartitionsSpecification{{Topic: topic, IncreaseTo: 5}})
	Must(err)
	Until("five partitions", func() bool {
		m, err := a.GetMetadata(&topic, false, 5000)
		return err == nil && len(m.Topics[topic].Partitions) == 5
	})
	again, err := a.CreateTopics(background(), []kafka.TopicSpecification{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}})
	Must(err)
	Expect(again[0].Error.Code(), kafka.ErrTopicAlreadyExists, "created again")
	_, err = a.DeleteTopics(background(), []string{topic})
	Must(err)
	Until("deleted", func() bool { m, err := a.GetMetadata(nil, true, 5000); Must(err); _, ok := m.Topics[topic]; return !ok })
}

func configs(topic string) {
	a := create(topic, 1)
	defer a.Close()
	resource := kafka.ConfigResource{Type: kafka.ResourceTopic, Name: topic}
	value := func(name string) string {
		told, err := a.DescribeConfigs(background(), []kafka.ConfigResource{resource})
		Must(err)
		return told[0].Config[name].Value
	}
	Expect(value("cleanup.policy"), "delete", "default")
	change := resource
	change.Config = []kafka.ConfigEntry{{Name: "retention.ms", Value: "1234567", IncrementalOperation: kafka.AlterConfigOpTypeSet},
		{Name: "cleanup.policy", Value: "compact", IncrementalOperation: kafka.AlterConfigOpTypeAppend}}
	told, err := a.IncrementalAlterConfigs(background(), []kafka.ConfigResource{change})
	Must(err)
	Expect(told[0].Error.Code(), kafka.ErrNoError, "altered")
	Expect([]string{value("retention.ms"), value("cleanup.policy")}, []string{"1234567", "delete,compact"}, "set and appended")
}

func codecs(topic string) {
	create(topic, 5).Close()
	for p, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		produce(topic, int32(p), 0, 300, "compression.type", codec, "linger.ms", 20)
		for i, m := range read(topic, int32(p), 0, 300) {
			Expect([]string{string(m.Value), string(m.Key), m.Headers[0].String()}, []string{fmt.Sprint(i), fmt.Sprint("k", i), "h=\"1\""}, "record")
		}
	}
}

func acks(topic string) {
	create(topic, 1).Close()
	for i, level := range []any{0, 1, "all"} {
		produce(topic, 0, i*10, i*10+10, "acks", level)
	}
	read(topic, 0, 0, 30)
}

func idempotent(topic string) {
	create(topic, 1).Close()
	offsets := produce(topic, 0, 0, 2000, "enable.idempotence", true, "batch.num.messages", 20)
	for i, m := range read(topic, 0, 0, 2000) {
		Expect([]any{string(m.Value), offsets[i]}, []any{i, i}, "order")
	}
}

func offsets(topic string) {
	a := create(topic, 1)
	defer a.Close()
	produce(topic, 0, 0, 10)
	time.Sleep(20 * time.Millisecond)
	middle := time.Now().UnixMilli()
	time.Sleep(20 * time.Millisecond)
	produce(topic, 0, 10, 20)
	c := consumer(topic)
	defer c.Close()
	low, high, err := c.QueryWatermarkOffsets(topic, 0, 10000)
	Must(err)
	Expect([]int64{low, high}, []int64{0, 20}, "watermarks")
	told, err := c.OffsetsForTimes([]kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: kafka.Offset(middle)}}, 10000)
	Must(err)
	Expect(int64(told[0].Offset), 10, "offset for a time")
	part := kafka.TopicPartition{Topic: &topic, Partition: 0}
	listed, err := a.ListOffsets(background(), map[kafka.TopicPartition]kafka.OffsetSpec{part: kafka.MaxTimestampOffsetSpec})
	Must(err)
	Expect(len(listed.ResultInfos), 1, "answers")
	for _, info := range listed.ResultInfos {
		Expect(info.Offset >= 10 && info.Offset < 20, true, "the newest by time is of the second ten")
	}
}

func groups(topic string) {
	a := create(topic, 1)
	defer a.Close()
	produce(topic, 0, 0, 10)
	c := consumer(topic)
	Must(c.Subscribe(topic, nil))
	seen := 0
	Until("ten", func() bool { seen += len(poll(c)); return seen == 10 })
	_, err := c.Commit()
	Must(err)
	told, err := a.DescribeConsumerGroups(background(), []string{topic})
	Must(err)
	Expect([]any{told.ConsumerGroupDescriptions[0].State, len(told.ConsumerGroupDescriptions[0].Members)}, []any{kafka.ConsumerGroupStateStable, 1}, "described")
	Must(c.Close())
	part := kafka.TopicPartition{Topic: &topic, Partition: 0}
	wanted := []kafka.ConsumerGroupTopicPartitions{{Group: topic, Partitions: []kafka.TopicPartition{part}}}
	kept, err := a.ListConsumerGroupOffsets(background(), wanted)
	Must(err)
	Expect(int64(kept.ConsumerGroupsTopicPartitions[0].Partitions[0].Offset), 10, "committed")
	part.Offset = 4
	_, err = a.AlterConsumerGroupOffsets(background(), []kafka.ConsumerGroupTopicPartitions{{Group: topic, Partitions: []kafka.TopicPartition{part}}})
	Must(err)
	c = consumer(topic)
	Must(c.Subscribe(topic, nil))
	var values []*kafka.Message
	Until("six", func() bool { values = append(values, poll(c)...); return len(values) >= 6 })
	Expect(string(values[0].Value), "4", "goes on where it was set")
	Must(c.Close())
	all, err := a.ListConsumerGroups(background())
	Must(err)
	listed := false
	for _, g := range all.Valid {
		listed = listed || g.GroupID == topic
	}
	Expect(listed, true, "listed")
	Until("deleted", func() bool {
		d, err := a.DeleteConsumerGroups(background(), []string{topic})
		return err == nil && d.ConsumerGroupResults[0].Error.Code() == kafka.ErrNoError
	})
}

func rebalance(topic string) { share(topic, "range") }

func cooperative(topic string) { share(topic, "cooperative-sticky") }

func share(topic, strategy string) {
	create(topic, 4).Close()
	seen := map[string]int{}
	take := func(c *kafka.Consumer) {
		for _, m := range poll(c) {
			seen[string(m.Value)]++
			_, err := c.CommitMessage(m)
			Must(err)
		}
	}
	own := func(c *kafka.Consumer) int { a, err := c.Assignment(); Must(err); return len(a) }
	one, two := consumer(topic, "partition.assignment.strategy", strategy), consumer(topic, "partition.assignment.strategy", strategy)
	Must(one.Subscribe(topic, nil))
	Until("the first has all", func() bool { take(one); return own(one) == 4 })
	Must(two.Subscribe(topic, nil))
	Until("two and two", func() bool { take(one); take(two); return own(one) == 2 && own(two) == 2 })
	for p := 0; p < 4; p++ {
		produce(topic, int32(p), p*100, p*100+25)
	}
	Until("all read", func() bool { take(one); take(two); return len(seen) == 100 })
	Must(two.Close())
	Until("takes over", func() bool { take(one); return own(one) == 4 })
	produce(topic, 3, 1000, 1001)
	Until("reads what the other had", func() bool { take(one); return len(seen) == 101 })
	Must(one.Close())
	for value, n := range seen {
		Expect(n, 1, "times that "+value+" was read")
	}
}

func deleteRecords(topic string) {
	a := create(topic, 1)
	defer a.Close()
	produce(topic, 0, 0, 10)
	told, err := a.DeleteRecords(background(), []kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: 4}})
	Must(err)
	Expect(int64(told.DeleteRecordsResults[0].DeletedRecords.LowWatermark), 4, "low watermark")
	seen := read(topic, 0, kafka.OffsetBeginning, 6)
	Expect(string(seen[0].Value), "4", "first left")
}

func main() {
	Main(Test{"topics", topics}, Test{"configs", configs}, Test{"codecs", codecs}, Test{"acks", acks}, Test{"idempotent", idempotent},
		Test{"offsets", offsets}, Test{"groups", groups}, Test{"rebalance", rebalance}, Test{"cooperative", cooperative},
		Test{"delete_records", deleteRecords})
}
