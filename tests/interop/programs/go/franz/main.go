// Scenarios of franz-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	. "weir.interop/suite"
)

func client(opts ...kgo.Opt) *kgo.Client {
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(Address)}, opts...)...)
	Must(err)
	return c
}

func create(topic string, partitions int32, configs map[string]*string) *kadm.Client {
	a := kadm.NewClient(client())
	_, err := a.CreateTopic(Within(), partitions, 1, configs, topic)
	Must(err)
	Until("leaders", func() bool {
		ends, err := a.ListEndOffsets(Within(), topic)
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
	Must(c.ProduceSync(Within(), records...).FirstErr())
}

func read(topic string, count int, opts ...kgo.Opt) []*kgo.Record {
	c := client(append([]kgo.Opt{kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, opts...)...)
	defer c.Close()
	var seen []*kgo.Record
	ctx := Within()
	for len(seen) < count && ctx.Err() == nil {
		f := c.PollFetches(ctx)
		seen = append(seen, f.Records()...)
	}
	Expect(len(seen), count, "records")
	return seen
}

func topics(topic string) {
	a := create(topic, 3, nil)
	defer a.Close()
	_, err := a.CreateTopic(Within(), 1, 1, nil, topic)
	if !errors.Is(err, kerr.TopicAlreadyExists) {
		panic(fmt.Sprint("a second creation: ", err))
	}
	told, err := a.ListTopics(Within(), topic)
	Must(err)
	Expect(len(told[topic].Partitions), 3, "partitions")
	if told[topic].ID == (kadm.TopicID{}) {
		panic("no topic id")
	}
	_, err = a.CreatePartitions(Within(), 2, topic)
	Must(err)
	Until("five", func() bool { t, _ := a.ListTopics(Within(), topic); return len(t[topic].Partitions) == 5 })
	_, err = a.DeleteTopics(Within(), topic)
	Must(err)
	Until("deleted", func() bool { t, _ := a.ListTopics(Within()); return !t.Has(topic) })
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
		Expect(string(r.Value), next[r.Partition], "order")
		Expect([]string{string(r.Key), r.Headers[0].Key}, []string{fmt.Sprint("k", next[r.Partition]), "h"}, "key and header")
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
		f := c.PollRecords(Within(), 7-n)
		n += f.NumRecords()
	}
	Must(c.CommitUncommittedOffsets(Within()))
	c.Close()
	told, err := a.FetchOffsets(Within(), topic)
	Must(err)
	o, _ := told.Lookup(topic, 0)
	Expect(o.At, 7, "committed")
	Expect(string(read(topic, 13, kgo.ConsumerGroup(topic))[0].Value), "7", "goes on")
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
	Until("the first has all", func() bool { return one.count() == 4 })
	two := join(topic, &seen, opts...)
	Until("two and two", func() bool { return one.count() == 2 && two.count() == 2 })
	for p := 0; p < 4; p++ {
		produce(topic, int32(p), p*100, p*100+25)
	}
	Until("all read", func() bool { return size(&seen) >= 100 })
	told, err := a.DescribeGroups(Within(), topic)
	Must(err)
	Expect([]any{told[topic].State, len(told[topic].Members)}, []any{"Stable", 2}, "described")
	two.c.Close()
	Until("takes over", func() bool { return one.count() == 4 })
	produce(topic, 3, 1000, 1001)
	Until("reads what the other had", func() bool { _, ok := seen.Load("1000"); return ok })
	one.c.Close()
	Expect(size(&seen), 101, "each once")
}

func rebalanceCooperative(topic string) {
	rebalance(topic, kgo.Balancers(kgo.CooperativeStickyBalancer()))
}
func rebalanceRange(topic string) { rebalance(topic, kgo.Balancers(kgo.RangeBalancer())) }
func rebalanceStatic(topic string) {
	create(topic, 2, nil).Close()
	var seen sync.Map
	one := join(topic, &seen, kgo.InstanceID("one"), kgo.SessionTimeout(20*time.Second))
	Until("assigned", func() bool { return one.count() == 2 })
	one.c.Close()
	again := join(topic, &seen, kgo.InstanceID("one"), kgo.SessionTimeout(20*time.Second))
	Until("back at once", func() bool { return again.count() == 2 })
	again.c.Close()
}

func admin(topic string) {
	value := "123456"
	a := create(topic, 1, map[string]*string{"retention.ms": &value})
	defer a.Close()
	produce(topic, 0, 0, 10)
	configs, err := a.DescribeTopicConfigs(Within(), topic)
	Must(err)
	found := ""
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" {
			found = c.MaybeValue()
		}
	}
	Expect(found, value, "config")
	other := "77777"
	_, err = a.AlterTopicConfigs(Within(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &other}}, topic)
	Must(err)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 4})
	deleted, err := a.DeleteRecords(Within(), offsets)
	Must(err)
	Must(deleted.Error())
	starts, err := a.ListStartOffsets(Within(), topic)
	Must(err)
	Expect(starts[topic][0].Offset, 4, "start")
	after, err := a.ListOffsetsAfterMilli(Within(), time.Now().Add(-time.Minute).UnixMilli(), topic)
	Must(err)
	Expect(after[topic][0].Offset, 4, "by time")
	meta, err := a.BrokerMetadata(Within())
	Must(err)
	Expect(len(meta.Brokers), 1, "brokers")
	dirs, err := a.DescribeAllLogDirs(Within(), nil)
	Must(err)
	if len(dirs) == 0 {
		panic("no log dirs")
	}
	Must(a.CommitAllOffsets(Within(), topic, offsets))
	groups, err := a.ListGroups(Within())
	Must(err)
	if _, ok := groups[topic]; !ok {
		panic("group not listed")
	}
	_, err = a.DeleteGroup(Within(), topic)
	Must(err)
}

func lag(topic string) {
	a := create(topic, 1, nil)
	defer a.Close()
	produce(topic, 0, 0, 10)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 10})
	Must(a.CommitAllOffsets(Within(), topic, offsets))
	produce(topic, 0, 10, 13)
	told, err := a.Lag(Within(), topic)
	Must(err)
	Expect(told[topic].Lag.Total(), 3, "lag")
}

func main() {
	Main(Test{"topics", topics}, Test{"codecs", codecs}, Test{"acks", acks}, Test{"resume", resume},
		Test{"rebalance_cooperative", rebalanceCooperative}, Test{"rebalance_range", rebalanceRange},
		Test{"static_member_returns", rebalanceStatic}, Test{"admin", admin}, Test{"lag", lag})
}
