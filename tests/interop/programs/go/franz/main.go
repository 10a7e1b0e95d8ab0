// Scenarios of franz-go: ADDRESS PREFIX [TEST].
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var address, prefix, only string

func client(opts ...kgo.Opt) *kgo.Client {
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(address)}, opts...)...)
	must(err)
	return c
}

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

func until(what string, check func() bool) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if check() {
			return
		}
	}
	panic("not within 30 s: " + what)
}

func within() context.Context {
	c, _ := context.WithTimeout(context.Background(), 30*time.Second)
	return c
}

func create(topic string, partitions int32, configs map[string]*string) *kadm.Client {
	a := kadm.NewClient(client())
	_, err := a.CreateTopic(within(), partitions, 1, configs, topic)
	must(err)
	until("leaders", func() bool {
		ends, err := a.ListEndOffsets(within(), topic)
		return err == nil && ends.Error() == nil && len(ends[topic]) == int(partitions)
	})
	return a
}

func produce(topic string, partition int32, from, to int, opts ...kgo.Opt) {
	c := client(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	defer c.Close()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Key: []byte(fmt.Sprint("k", i)), Value: []byte(fmt.Sprint(i)),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}})
	}
	must(c.ProduceSync(within(), records...).FirstErr())
}

func read(topic string, count int, opts ...kgo.Opt) []*kgo.Record {
	c := client(append([]kgo.Opt{kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, opts...)...)
	defer c.Close()
	var seen []*kgo.Record
	ctx := within()
	for len(seen) < count && ctx.Err() == nil {
		f := c.PollFetches(ctx)
		seen = append(seen, f.Records()...)
	}
	expect(len(seen), count, "records")
	return seen
}

func topics(topic string) {
	a := create(topic, 3, nil)
	defer a.Close()
	_, err := a.CreateTopic(within(), 1, 1, nil, topic)
	if !errors.Is(err, kerr.TopicAlreadyExists) {
		panic(fmt.Sprint("a second creation: ", err))
	}
	told, err := a.ListTopics(within(), topic)
	must(err)
	expect(len(told[topic].Partitions), 3, "partitions")
	if told[topic].ID == (kadm.TopicID{}) {
		panic("no topic id")
	}
	_, err = a.CreatePartitions(within(), 2, topic)
	must(err)
	until("five", func() bool { t, _ := a.ListTopics(within(), topic); return len(t[topic].Partitions) == 5 })
	_, err = a.DeleteTopics(within(), topic)
	must(err)
	until("deleted", func() bool { t, _ := a.ListTopics(within()); return !t.Has(topic) })
}

func codecs(topic string) {
	a := create(topic, 5, nil)
	defer a.Close()
	all := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for p, codec := range all {
		produce(topic, int32(p), 0, 500, kgo.ProducerBatchCompression(codec))
	}
	next := map[int32]int{}
	for _, r := range read(topic, 2500) {
		expect(string(r.Value), next[r.Partition], "order")
		expect([]string{string(r.Key), r.Headers[0].Key}, []string{fmt.Sprint("k", next[r.Partition]), "h"}, "key and header")
		next[r.Partition]++
	}
}

func acks(topic string) {
	create(topic, 1, nil).Close()
	produce(topic, 0, 0, 10, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	produce(topic, 0, 10, 20, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	produce(topic, 0, 20, 30)
	read(topic, 30)
}

func resume(topic string) {
	a := create(topic, 1, nil)
	defer a.Close()
	produce(topic, 0, 0, 20)
	c := client(kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	n := 0
	for n < 7 {
		f := c.PollRecords(within(), 7-n)
		n += f.NumRecords()
	}
	must(c.CommitUncommittedOffsets(within()))
	c.Close()
	told, err := a.FetchOffsets(within(), topic)
	must(err)
	o, _ := told.Lookup(topic, 0)
	expect(o.At, 7, "committed")
	expect(string(read(topic, 13, kgo.ConsumerGroup(topic))[0].Value), "7", "goes on")
}

type member struct {
	c    *kgo.Client
	lock sync.Mutex
	own  map[int32]bool
	done chan struct{}
}

func join(topic string, seen *sync.Map, opts ...kgo.Opt) *member {
	m := &member{own: map[int32]bool{}, done: make(chan struct{})}
	set := func(to bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, ps map[string][]int32) {
			m.lock.Lock()
			defer m.lock.Unlock()
			for _, p := range ps[topic] {
				if to {
					m.own[p] = true
				} else {
					delete(m.own, p)
				}
			}
		}
	}
	m.c = client(append([]kgo.Opt{kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(set(true)), kgo.OnPartitionsRevoked(set(false)), kgo.OnPartitionsLost(set(false)),
		kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(300 * time.Millisecond)}, opts...)...)
	go func() {
		defer close(m.done)
		for {
			f := m.c.PollFetches(context.Background())
			if f.IsClientClosed() {
				return
			}
			f.EachRecord(func(r *kgo.Record) {
				if _, twice := seen.LoadOrStore(string(r.Value), true); twice {
					seen.Store("twice "+string(r.Value), true)
				}
			})
			m.c.CommitUncommittedOffsets(context.Background())
		}
	}()
	return m
}

func (m *member) count() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.own)
}

func size(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return
}

func rebalance(topic string, opts ...kgo.Opt) {
	a := create(topic, 4, nil)
	defer a.Close()
	var seen sync.Map
	one := join(topic, &seen, opts...)
	until("the first has all", func() bool { return one.count() == 4 })
	two := join(topic, &seen, opts...)
	until("two and two", func() bool { return one.count() == 2 && two.count() == 2 })
	for p := 0; p < 4; p++ {
		produce(topic, int32(p), p*100, p*100+25)
	}
	until("all read", func() bool { return size(&seen) >= 100 })
	told, err := a.DescribeGroups(within(), topic)
	must(err)
	expect([]any{told[topic].State, len(told[topic].Members)}, []any{"Stable", 2}, "described")
	two.c.Close()
	until("takes over", func() bool { return one.count() == 4 })
	produce(topic, 3, 1000, 1001)
	until("reads what the other had", func() bool { _, ok := seen.Load("1000"); return ok })
	one.c.Close()
	expect(size(&seen), 101, "each once")
}

func rebalanceCooperative(topic string) { rebalance(topic, kgo.Balancers(kgo.CooperativeStickyBalancer())) }
func rebalanceRange(topic string)       { rebalance(topic, kgo.Balancers(kgo.RangeBalancer())) }
func rebalanceStatic(topic string) {
	create(topic, 2, nil).Close()
	var seen sync.Map
	one := join(topic, &seen, kgo.InstanceID("one"), kgo.SessionTimeout(20*time.Second))
	until("assigned", func() bool { return one.count() == 2 })
	one.c.Close()
	again := join(topic, &seen, kgo.InstanceID("one"), kgo.SessionTimeout(20*time.Second))
	until("back at once", func() bool { return again.count() == 2 })
	again.c.Close()
}

func admin(topic string) {
	value := "123456"
	a := create(topic, 1, map[string]*string{"retention.ms": &value})
	defer a.Close()
	produce(topic, 0, 0, 10)
	configs, err := a.DescribeTopicConfigs(within(), topic)
	must(err)
	found := ""
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" {
			found = c.MaybeValue()
		}
	}
	expect(found, value, "config")
	other := "77777"
	_, err = a.AlterTopicConfigs(within(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &other}}, topic)
	must(err)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 4})
	deleted, err := a.DeleteRecords(within(), offsets)
	must(err)
	must(deleted.Error())
	starts, err := a.ListStartOffsets(within(), topic)
	must(err)
	expect(starts[topic][0].Offset, 4, "start")
	after, err := a.ListOffsetsAfterMilli(within(), time.Now().Add(-time.Minute).UnixMilli(), topic)
	must(err)
	expect(after[topic][0].Offset, 4, "by time")
	meta, err := a.BrokerMetadata(within())
	must(err)
	expect(len(meta.Brokers), 1, "brokers")
	dirs, err := a.DescribeAllLogDirs(within(), nil)
	must(err)
	if len(dirs) == 0 {
		panic("no log dirs")
	}
	must(a.CommitAllOffsets(within(), topic, offsets))
	groups, err := a.ListGroups(within())
	must(err)
	if _, ok := groups[topic]; !ok {
		panic("group not listed")
	}
	_, err = a.DeleteGroup(within(), topic)
	must(err)
}

func lag(topic string) {
	a := create(topic, 1, nil)
	defer a.Close()
	produce(topic, 0, 0, 10)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 10})
	must(a.CommitAllOffsets(within(), topic, offsets))
	produce(topic, 0, 10, 13)
	told, err := a.Lag(within(), topic)
	must(err)
	expect(told[topic].Lag.Total(), 3, "lag")
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
	}{{"topics", topics}, {"codecs", codecs}, {"acks", acks}, {"resume", resume}, {"rebalance_cooperative", rebalanceCooperative},
		{"rebalance_range", rebalanceRange}, {"static_member_returns", rebalanceStatic}, {"admin", admin}, {"lag", lag}}
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
