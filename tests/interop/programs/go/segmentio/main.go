// Scenarios of segmentio/kafka-go: ADDRESS PREFIX [TEST].
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

var address, prefix, only string

// new topics are seen soon
var transport = &kafka.Transport{MetadataTTL: 100 * time.Millisecond}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(actual, wanted any, what string) {
	a, w := fmt.Sprint(actual), fmt.Sprint(wanted)
	if a != w {
		panic(fmt.Sprintf("%s: expected %.300s, got %.300s", what, w, a))
	}
}

func within() context.Context {
	c, _ := context.WithTimeout(context.Background(), 30*time.Second)
	return c
}

func create(topic string, partitions int) {
	c, err := kafka.Dial("tcp", address)
	must(err)
	defer c.Close()
	must(c.CreateTopics(kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}))
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if ps, err := c.ReadPartitions(topic); err == nil && len(ps) == partitions {
			time.Sleep(300 * time.Millisecond)
			return
		}
	}
	panic("no partitions")
}

func produce(topic string, from, to int, change func(*kafka.Writer)) {
	w := &kafka.Writer{Addr: kafka.TCP(address), BatchTimeout: 5 * time.Millisecond, RequiredAcks: kafka.RequireAll, Balancer: &kafka.RoundRobin{}, Topic: topic, Transport: transport}
	if change != nil {
		change(w)
	}
	defer w.Close()
	var all []kafka.Message
	for i := from; i < to; i++ {
		all = append(all, kafka.Message{Key: []byte(fmt.Sprint("k", i)), Value: []byte(fmt.Sprint(i)), Headers: []kafka.Header{{Key: "h", Value: []byte("1")}}})
	}
	must(w.WriteMessages(within(), all...))
}

func codecs(topic string) {
	for i, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		name := fmt.Sprint(topic, "-", i)
		create(name, 1)
		produce(name, 0, 300, func(w *kafka.Writer) { w.Compression = codec })
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{address}, Topic: name, MaxWait: 200 * time.Millisecond})
		for n := 0; n < 300; n++ {
			m, err := r.ReadMessage(within())
			must(err)
			expect([]any{m.Offset, string(m.Value), string(m.Key), m.Headers[0].Key}, []any{n, n, fmt.Sprint("k", n), "h"}, "record")
		}
		must(r.Close())
	}
}

func acks(topic string) {
	create(topic, 1)
	for i, level := range []kafka.RequiredAcks{kafka.RequireNone, kafka.RequireOne, kafka.RequireAll} {
		produce(topic, i*10, i*10+10, func(w *kafka.Writer) { w.RequiredAcks = level })
	}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{address}, Topic: topic, MaxWait: 200 * time.Millisecond})
	defer r.Close()
	for n := 0; n < 30; n++ {
		_, err := r.ReadMessage(within())
		must(err)
	}
}

func reader(topic string) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: []string{address}, GroupID: topic, Topic: topic, MaxWait: 200 * time.Millisecond, StartOffset: kafka.FirstOffset,
		SessionTimeout: 6 * time.Second, HeartbeatInterval: 300 * time.Millisecond, RebalanceTimeout: 5 * time.Second, JoinGroupBackoff: 200 * time.Millisecond})
}

func resume(topic string) {
	create(topic, 1)
	produce(topic, 0, 20, nil)
	r := reader(topic)
	for n := 0; n < 7; n++ {
		m, err := r.FetchMessage(within())
		must(err)
		must(r.CommitMessages(within(), m))
	}
	must(r.Close())
	r = reader(topic)
	m, err := r.FetchMessage(within())
	must(err)
	expect(string(m.Value), "7", "goes on")
	must(r.Close())
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
			r.CommitMessages(within(), m)
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
	must(two.Close())
	produce(topic, 200, 300, nil)
	take(300)
	must(one.Close())
}

func client(topic string) {
	create(topic, 2)
	produce(topic, 0, 10, nil)
	c := &kafka.Client{Addr: kafka.TCP(address), Transport: transport}
	versions, err := c.ApiVersions(within(), &kafka.ApiVersionsRequest{})
	must(err)
	if len(versions.ApiKeys) < 20 {
		panic("few APIs")
	}
	offsets, err := c.ListOffsets(within(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(0), kafka.FirstOffsetOf(1)}}})
	must(err)
	for _, p := range offsets.Topics[topic] {
		must(p.Error)
	}
	configs, err := c.DescribeConfigs(within(), &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms"}}}})
	must(err)
	expect(configs.Resources[0].ConfigEntries[0].ConfigValue, "604800000", "config")
	deleted, err := c.DeleteTopics(within(), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	must(err)
	must(deleted.Errors[topic])
}

func one(name string, test func(string)) (outcome, detail string) {
	outcome = "passed"
	defer func() {
		if r := recover(); r != nil {
			outcome, detail = "failed", fmt.Sprint(r)
		}
	}()
	test(prefix + "-" + name)
	return
}

func main() {
	address, prefix = os.Args[1], os.Args[2]
	if len(os.Args) > 3 {
		only = os.Args[3]
	}
	tests := []struct {
		name string
		run  func(string)
	}{{"codecs", codecs}, {"acks", acks}, {"resume", resume}, {"rebalance", rebalance}, {"client", client}}
	code := 0
	for _, t := range tests {
		if !strings.Contains(t.name, only) {
			continue
		}
		began := time.Now()
		outcome, detail := one(t.name, t.run)
		if outcome == "failed" {
			code = 1
		}
		text, _ := json.Marshal(detail)
		fmt.Printf("{\"test\": %q, \"outcome\": %q, \"seconds\": %.2f, \"detail\": %s}\n", t.name, outcome, time.Since(began).Seconds(), text)
	}
	os.Exit(code)
}
