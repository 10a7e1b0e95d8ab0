// Scenarios of sarama.
package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	. "weir.interop/suite"
)

func config(change ...func(*sarama.Config)) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Group.Session.Timeout = 6 * time.Second
	c.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	for _, f := range change {
		f(c)
	}
	return c
}

func create(topic string, partitions int32) sarama.ClusterAdmin {
	a, err := sarama.NewClusterAdmin([]string{Address}, config())
	Must(err)
	Must(a.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false))
	Until("leaders", func() bool {
		c, err := sarama.NewClient([]string{Address}, config())
		Must(err)
		defer c.Close()
		for p := int32(0); p < partitions; p++ {
			if _, err := c.GetOffset(topic, p, sarama.OffsetNewest); err != nil {
				return false
			}
		}
		return true
	})
	return a
}

func produce(topic string, partition int32, from, to int, change ...func(*sarama.Config)) {
	p, err := sarama.NewSyncProducer([]string{Address}, config(change...))
	Must(err)
	defer p.Close()
	var all []*sarama.ProducerMessage
	for i := from; i < to; i++ {
		all = append(all, &sarama.ProducerMessage{Topic: topic, Partition: partition, Key: sarama.StringEncoder(fmt.Sprint("k", i)),
			Value: sarama.StringEncoder(fmt.Sprint(i)), Headers: []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("1")}}})
	}
	Must(p.SendMessages(all))
}

func read(topic string, partition int32, from int64, count int) (seen []*sarama.ConsumerMessage) {
	c, err := sarama.NewConsumer([]string{Address}, config())
	Must(err)
	defer c.Close()
	p, err := c.ConsumePartition(topic, partition, from)
	Must(err)
	defer p.Close()
	end := time.After(30 * time.Second)
	for len(seen) < count {
		select {
		case m := <-p.Messages():
			seen = append(seen, m)
		case <-end:
			panic(fmt.Sprintf("%d of %d records", len(seen), count))
		}
	}
	return
}

func topics(topic string) {
	a := create(topic, 3)
	defer a.Close()
	told, err := a.DescribeTopics([]string{topic})
	Must(err)
	Expect(len(told[0].Partitions), 3, "partitions")
	Must(a.CreatePartitions(topic, 5, nil, false))
	entries, err := a.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"cleanup.policy"}})
	Must(err)
	Expect(entries[0].Value, "delete", "config")
	Must(a.DeleteTopic(topic))
	Until("deleted", func() bool { l, err := a.ListTopics(); Must(err); _, ok := l[topic]; return !ok })
}

func codecs(topic string) {
	create(topic, 5).Close()
	for p, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4,
		sarama.CompressionZSTD} {
		produce(topic, int32(p), 0, 300, func(c *sarama.Config) { c.Producer.Compression = codec })
		for i, m := range read(topic, int32(p), sarama.OffsetOldest, 300) {
			Expect([]string{string(m.Value), string(m.Key), string(m.Headers[0].Key)}, []string{fmt.Sprint(i), fmt.Sprint("k", i), "h"}, "record")
		}
	}
}

func acks(topic string) {
	create(topic, 1).Close()
	for i, level := range []sarama.RequiredAcks{sarama.NoResponse, sarama.WaitForLocal, sarama.WaitForAll} {
		produce(topic, 0, i*10, i*10+10, func(c *sarama.Config) { c.Producer.RequiredAcks = level })
	}
	read(topic, 0, sarama.OffsetOldest, 30)
}

func idempotent(topic string) {
	create(topic, 1).Close()
	produce(topic, 0, 0, 1000, func(c *sarama.Config) {
		c.Producer.Idempotent, c.Producer.RequiredAcks, c.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
		c.Producer.Flush.MaxMessages = 20
	})
	for i, m := range read(topic, 0, sarama.OffsetOldest, 1000) {
		Expect(string(m.Value), i, "order")
	}
}

func oldVersion(topic string) {
	// what sarama speaks when its version is set low
	old := func(c *sarama.Config) { c.Version = sarama.V1_0_0_0 }
	create(topic, 1).Close()
	produce(topic, 0, 0, 10, old)
	read(topic, 0, 5, 5)
}

type handler struct {
	lock *sync.Mutex
	seen map[string]int
	own  int
}

func (h *handler) Setup(s sarama.ConsumerGroupSession) error {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.own = 0
	for _, ps := range s.Claims() {
		h.own = len(ps)
	}
	return nil
}
func (h *handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h *handler) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-c.Messages():
			if !ok {
				return nil
			}
			h.lock.Lock()
			h.seen[string(m.Value)]++
			h.lock.Unlock()
			s.MarkMessage(m, "")
			s.Commit()
		case <-s.Context().Done():
			return nil
		}
	}
}

func join(topic string, lock *sync.Mutex, seen map[string]int) (*handler, func()) {
	g, err := sarama.NewConsumerGroup([]string{Address}, topic, config())
	Must(err)
	h := &handler{lock: lock, seen: seen}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := g.Consume(ctx, []string{topic}, h); err != nil {
				return
			}
		}
	}()
	return h, func() { cancel(); <-done; g.Close() }
}

func rebalance(topic string) {
	create(topic, 4).Close()
	var lock sync.Mutex
	seen := map[string]int{}
	have := func(n int) func() bool {
		return func() bool { lock.Lock(); defer lock.Unlock(); return len(seen) >= n }
	}
	one, end := join(topic, &lock, seen)
	own := func(h *handler, n int) bool { lock.Lock(); defer lock.Unlock(); return h.own == n }
	Until("the first has all", func() bool { return own(one, 4) })
	two, endTwo := join(topic, &lock, seen)
	Until("two and two", func() bool { return own(one, 2) && own(two, 2) })
	for p := 0; p < 4; p++ {
		produce(topic, int32(p), p*100, p*100+25)
	}
	Until("all read", have(100))
	endTwo()
	Until("takes over", func() bool { return own(one, 4) })
	produce(topic, 3, 1000, 1001)
	Until("reads what the other had", have(101))
	end()
	for value, n := range seen {
		Expect(n, 1, "times that "+value+" was read")
	}
}

func groups(topic string) {
	a := create(topic, 1)
	defer a.Close()
	produce(topic, 0, 0, 10)
	var lock sync.Mutex
	seen := map[string]int{}
	_, end := join(topic, &lock, seen)
	Until("ten", func() bool { lock.Lock(); defer lock.Unlock(); return len(seen) == 10 })
	told, err := a.DescribeConsumerGroups([]string{topic})
	Must(err)
	Expect([]any{told[0].State, len(told[0].Members)}, []any{"Stable", 1}, "described")
	end()
	offsets, err := a.ListConsumerGroupOffsets(topic, map[string][]int32{topic: {0}})
	Must(err)
	Expect(offsets.GetBlock(topic, 0).Offset, 10, "committed")
	all, err := a.ListConsumerGroups()
	Must(err)
	Expect(all[topic], "consumer", "listed")
	Until("deleted", func() bool { return a.DeleteConsumerGroup(topic) == nil })
}

func deleteRecords(topic string) {
	a := create(topic, 1)
	defer a.Close()
	produce(topic, 0, 0, 10)
	Must(a.DeleteRecords(topic, map[int32]int64{0: 4}))
	Expect(string(read(topic, 0, sarama.OffsetOldest, 6)[0].Value), "4", "first left")
}

func main() {
	Main(Test{"topics", topics}, Test{"codecs", codecs}, Test{"acks", acks}, Test{"idempotent", idempotent},
		Test{"old_version", oldVersion}, Test{"rebalance", rebalance}, Test{"groups", groups}, Test{"delete_records", deleteRecords})
}
