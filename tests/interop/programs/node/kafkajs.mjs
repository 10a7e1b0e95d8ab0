// Scenarios of kafkajs.
import { createRequire } from 'node:module'
import { address, expect, run, until } from './scenario.mjs'

const require = createRequire(process.env.WEIR_NODE_MODULES + '/')
const { Kafka, logLevel, CompressionTypes, ConfigResourceTypes, AssignerProtocol } = require('kafkajs')
const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50 } })
const admin = kafka.admin()
await admin.connect()

async function create(topic, numPartitions = 1, configEntries = []) {
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] })
}

async function produce(topic, messages, options = {}) {
  const { producer: settings, ...rest } = options
  const producer = kafka.producer(settings)
  await producer.connect()
  const told = await producer.send({ topic, messages, ...rest })
  await producer.disconnect()
  return told
}

// Reads until `count` messages are there; with a group of its own unless one is given.
async function read(topic, count, groupId = topic, options = {}) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 10000, ...options })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const seen = []
  await consumer.run({ eachMessage: async ({ partition, message }) => { seen.push({ partition, ...message }) } })
  await until(() => seen.length >= count, `${count} messages, have ${seen.length}`)
  await consumer.disconnect()
  return seen
}

async function topics(topic) {
  await create(topic, 3)
  const told = (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]
  expect(told.partitions.map(p => p.partitionId).sort(), [0, 1, 2], 'partitions')
  expect(await admin.createTopics({ topics: [{ topic }] }), false, 'a second creation')
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
  await until(async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 5, 'five')
  await admin.deleteTopics({ topics: [topic] })
  await until(async () => !(await admin.listTopics()).includes(topic), 'deleted')
}

async function keysHeadersCodecs(topic) {
  await create(topic, 2)
  for (const [partition, compression] of [CompressionTypes.None, CompressionTypes.GZIP].entries()) {
    const messages = [...Array(200).keys()].map(i => ({ key: `k${i}`, value: `v${i}`, partition, headers: { a: '1', b: ['2', '3'] } }))
    const told = await produce(topic, messages, { compression })
    expect(told[0].baseOffset, '0', 'first offset')
  }
  await produce(topic, [{ key: 'tombstone', value: null, partition: 0 }])
  const seen = await read(topic, 401)
  for (const partition of [0, 1]) {
    const mine = seen.filter(m => m.partition === partition).slice(0, 200)
    expect(mine.map(m => m.value.toString()), [...Array(200).keys()].map(i => `v${i}`), 'values')
    expect([mine[0].headers.a.toString(), mine[0].headers.b.map(String)], ['1', ['2', '3']], 'headers')
  }
  expect(seen.find(m => m.key.toString() === 'tombstone').value, null, 'tombstone')
}

async function idempotent(topic) {
  await create(topic)
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let i = 0; i < 20; i++) await producer.send({ topic, messages: [...Array(10).keys()].map(j => ({ value: String(i * 10 + j), partition: 0 })) })
  await producer.disconnect()
  expect((await read(topic, 200)).map(m => Number(m.value)), [...Array(200).keys()], 'order')
}

async function acks(topic) {
  await create(topic)
  for (const level of [0, 1, -1]) await produce(topic, [{ value: String(level) }], { acks: level })
  await read(topic, 3)
}

async function commitAndResume(topic) {
  await create(topic)
  await produce(topic, [...Array(20).keys()].map(i => ({ value: String(i) })))
  await read(topic, 20)
  const told = await admin.fetchOffsets({ groupId: topic, topics: [topic] })
  expect(told[0].partitions[0].offset, '20', 'committed')
  await admin.setOffsets({ groupId: topic, topic, partitions: [{ partition: 0, offset: '15' }] })
  expect((await read(topic, 5)).map(m => m.offset), ['15', '16', '17', '18', '19'], 'goes on where it was set')
  await admin.resetOffsets({ groupId: topic, topic, earliest: true })
  await read(topic, 20)
}

async function rebalance(topic) {
  await create(topic, 4)
  const seen = [], owned = {}
  const join = async name => {
    const consumer = kafka.consumer({ groupId: topic, sessionTimeout: 6000, heartbeatInterval: 300, rebalanceTimeout: 10000 })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    consumer.on(consumer.events.GROUP_JOIN, e => { owned[name] = e.payload.memberAssignment[topic] || [] })
    await consumer.run({ eachMessage: async ({ message }) => { seen.push(message.value.toString()) } })
    return consumer
  }
  const a = await join('a')
  await until(() => owned.a?.length === 4, 'the first has all')
  const b = await join('b')
  await until(() => owned.a?.length === 2 && owned.b?.length === 2, 'two and two')
  await produce(topic, [...Array(100).keys()].map(i => ({ value: String(i), partition: i % 4 })))
  await until(() => seen.length >= 100, 'all read')
  const described = (await admin.describeGroups([topic])).groups[0]
  expect([described.state, described.members.length], ['Stable', 2], 'described')
  await b.disconnect()
  await until(() => owned.a?.length === 4, 'takes over')
  await produce(topic, [{ value: 'last', partition: 3 }])
  await until(() => seen.includes('last'), 'reads what the other had')
  await a.disconnect()
  expect(new Set(seen).size, seen.length, 'each once')
}

async function adminCalls(topic) {
  await create(topic, 1, [{ name: 'retention.ms', value: '123456' }])
  await produce(topic, [...Array(10).keys()].map(i => ({ value: String(i) })))
  const entry = async name => (await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] }))
    .resources[0].configEntries.find(c => c.configName === name).configValue
  expect(await entry('retention.ms'), '123456', 'config')
  await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'max.message.bytes', value: '54321' }] }] })
  expect(await entry('max.message.bytes'), '54321', 'altered')
  const offsets = (await admin.fetchTopicOffsets(topic))[0]
  expect([offsets.low, offsets.high], ['0', '10'], 'offsets')
  expect((await admin.fetchTopicOffsetsByTimestamp(topic, Date.now() - 60000))[0].offset, '0', 'by time')
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] })
  expect((await admin.fetchTopicOffsets(topic))[0].low, '4', 'records deleted')
  const cluster = await admin.describeCluster()
  expect([cluster.brokers.length, cluster.controller], [1, cluster.brokers[0].nodeId], 'cluster')
  expect((await admin.listGroups()).groups.every(g => g.groupId), true, 'groups')
}

async function seekAndPause(topic) {
  await create(topic)
  await produce(topic, [...Array(20).keys()].map(i => ({ value: String(i) })))
  const consumer = kafka.consumer({ groupId: topic })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const seen = []
  consumer.run({ eachMessage: async ({ message }) => { seen.push(message.offset) } })
  consumer.seek({ topic, partition: 0, offset: '11' })
  await until(() => seen.length >= 9, 'from 11')
  expect(seen[0], '11', 'first')
  await consumer.disconnect()
}

await run([topics, keysHeadersCodecs, idempotent, acks, commitAndResume, rebalance, adminCalls, seekAndPause])
