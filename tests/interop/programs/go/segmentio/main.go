// Scenarios of segmentio/kafka-go.
package main

import (
	"context"
	"fmt"
	"time"

	kafka "github.com/segmentio/kafka-go"

	. "weir.interop/suite"
)

// new topics are seen soon
var transport = &kafka.Transport{MetadataTTL: 100 * time.Millisecond}

func create(topic string, partitions int) {
	c, err := kafka.Dial("tcp", Address)
	Must(err)
	defer c.Close()
	Must(c.CreateTopics(kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}))
	Until("partitions", func() bool { ps, err := c.ReadPartitions(topic); return err == nil && len(ps) == partitions })
	time.Sleep(300 * time.Millisecond)
}

func produce(topic string, from, to int, change func(*kafka.Writer)) {
	w := &kafka.Writer{Addr: kafka.TCP(Address), BatchTimeout: 5 * time.Millisecond, RequiredAcks: kafka.RequireAll, Balancer: &kafka.RoundRobin{}, Topic: topic, Transport: transport}
	if change != nil {
		change(w)
	}
	defer w.Close()
	var all []kafka.Message
	for i := from; i < to; i++ {
		all = append(all, kafka.Message{Key: []byte(fmt.Sprint("k", i)), Value: []byte(fmt.Sprint(i)), Headers: []kafka.Header{{Key: "h", Value: []byte("1")}}})
	}
	Must(w.WriteMessages(Within(), all...))
}

func codecs(topic string) {
	for i, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		name := fmt.Sprint(topic, "-", i)
		create(name, 1)
		produce(name, 0, 300, func(w *kafka.Writer) { w.Compression = codec })
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{Address}, Topic: name, MaxWait: 200 * time.Millisecond})
		for n := 0; n < 300; n++ {
			m, err := r.ReadMessage(Within())
			Must(err)
			Expect([]any{m.Offset, string(m.Value), string(m.Key), m.Headers[0].Key}, []any{n, n, fmt.Sprint("k", n), "h"}, "record")
		}
		Must(r.Close())
	}
}

func acks(topic string) {
	create(topic, 1)
	for i, level := range []kafka.RequiredAcks{kafka.RequireNone, kafka.RequireOne, kafka.RequireAll} {
		produce(topic, i*10, i*10+10, func(w *kafka.Writer) { w.RequiredAcks = level })
	}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{Address}, Topic: topic, MaxWait: 200 * time.Millisecond})
	defer r.Close()
	for n := 0; n < 30; n++ {
		_, err := r.ReadMessage(Within())
		Must(err)
	}
}

func reader(topic string) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: []string{Address}, GroupID: topic, Topic: topic, MaxWait: 200 * time.Millisecond, StartOffset: kafka.FirstOffset,
		SessionTimeout: 6 * time.Second, HeartbeatInterval: 300 * time.Millisecond, RebalanceTimeout: 5 * time.Second, JoinGroupBackoff: 200 * time.Millisecond})
}

func resume(topic string) {
	create(topic, 1)
	produce(topic, 0, 20, nil)
	r := reader(topic)
	for n := 0; n < 7; n++ {
		m, err := r.FetchMessage(Within())
		Must(err)
		Must(r.CommitMessages(Within(), m))
	}
	Must(r.Close())
	r = reader(topic)
	m, err := r.FetchMessage(Within())
	Must(err)
	Expect(string(m.Value), "7", "goes on")
	Must(r.Close())
}

func rebalance(topic string) {
	create(topic, 4)
	produce(topic, 0, 100, nil)
	seen := map[string]bool{}
	values := make(chan string, 1000)
	read := func(r *kafka.Reader) {
		for {
			m, err := r.FetchMessage(context.Background())
			if err != nil {
				return
			}
			values <- string(m.Value)
			r.CommitMessages(Within(), m)
		}
	}
	take := func(count int) {
		end := time.After(30 * time.Second)
		for len(seen) < count {
			select {
			case v := <-values:
				seen[v] = true
			case <-end:
				panic(fmt.Sprintf("%d of %d", len(seen), count))
			}
		}
	}
	one := reader(topic) // a reader joins when it is made
	go read(one)
	take(100)
	two := reader(topic)
	go read(two)
	time.Sleep(3 * time.Second)
	produce(topic, 100, 200, nil)
	take(200)
	Must(two.Close())
	produce(topic, 200, 300, nil)
	take(300)
	Must(one.Close())
}

func client(topic string) {
	create(topic, 2)
	produce(topic, 0, 10, nil)
	c := &kafka.Client{Addr: kafka.TCP(Address), Transport: transport}
	versions, err := c.ApiVersions(Within(), &kafka.ApiVersionsRequest{})
	Must(err)
	if len(versions.ApiKeys) < 20 {
		panic("few APIs")
	}
	offsets, err := c.ListOffsets(Within(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(0), kafka.FirstOffsetOf(1)}}})
	Must(err)
	for _, p := range offsets.Topics[topic] {
		Must(p.Error)
	}
	configs, err := c.DescribeConfigs(Within(), &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms"}}}})
	Must(err)
	Expect(configs.Resources[0].ConfigEntries[0].ConfigValue, "604800000", "config")
	deleted, err := c.DeleteTopics(Within(), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	Must(err)
	Must(deleted.Errors[topic])
}

func main() {
	Main(Test{"codecs", codecs}, Test{"acks", acks}, Test{"resume", resume}, Test{"rebalance", rebalance}, Test{"client", client})
}
