// Scenarios of @platformatic/kafka.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { address, expect, run, until } from './scenario.mjs'

const require = createRequire(process.env.WEIR_NODE_MODULES + '/')
const { Admin, Consumer, Producer, stringSerializers, stringDeserializers, MessagesStreamModes } =
  await import(pathToFileURL(require.resolve('@platformatic/kafka')).href)
const base = { clientId: 'interop', bootstrapBrokers: [address], retries: 5 }
const admin = new Admin(base)

const create = (topic, partitions = 1, configs = []) => admin.createTopics({ topics: [topic], partitions, replicas: 1, configs })

async function produce(topic, messages, options = {}) {
  const producer = new Producer({ ...base, serializers: stringSerializers, ...options })
  try {
    return await producer.send({ messages: messages.map(m => ({ topic, ...m })) })
  } finally {
    await producer.close()
  }
}

async function read(topic, count, groupId = topic, mode = MessagesStreamModes.EARLIEST) {
  const consumer = new Consumer({ ...base, groupId, deserializers: stringDeserializers, sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 10000 })
  const stream = await consumer.consume({ topics: [topic], mode, autocommit: false, maxWaitTime: 500 })
  const seen = []
  stream.on('data', m => seen.push(m))
  stream.on('error', () => {})
  await until(() => seen.length >= count, `${count} messages`)
  await seen[seen.length - 1].commit()
  await stream.close()
  await consumer.close(true)
  return seen
}

async function topics(topic) {
  await create(topic, 3)
  const told = await admin.metadata({ topics: [topic] })
  expect(told.topics.get(topic).partitionsCount, 3, 'partitions')
  await admin.deleteTopics({ topics: [topic] })
  await until(async () => !(await admin.listTopics()).includes(topic), 'deleted')
}

async function keysHeadersCodecs(topic) {
  const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
  await create(topic, codecs.length)
  for (const [partition, compression] of codecs.entries())
    await produce(topic, [...Array(100).keys()].map(i => ({ key: `k${i}`, value: `v${i}`, partition, headers: { codec: compression } })), { compression })
  const seen = await read(topic, 100 * codecs.length)
  for (const [partition, codec] of codecs.entries()) {
    const mine = seen.filter(m => m.partition === partition)
    expect(mine.map(m => m.value), [...Array(100).keys()].map(i => `v${i}`), codec)
    expect(mine[0].headers.get('codec'), codec, 'header')
  }
}

async function idempotent(topic) {
  await create(topic)
  await produce(topic, [...Array(100).keys()].map(i => ({ value: String(i), partition: 0 })), { idempotent: true })
  expect((await read(topic, 100)).map(m => Number(m.value)), [...Array(100).keys()], 'order')
}

async function commitAndResume(topic) {
  await create(topic)
  await produce(topic, [...Array(20).keys()].map(i => ({ value: String(i), partition: 0 })))
  await read(topic, 20)
  await produce(topic, [{ value: 'next', partition: 0 }])
  expect((await read(topic, 1, topic, MessagesStreamModes.COMMITTED)).map(m => m.value), ['next'], 'goes on')
}

async function groups(topic) {
  await create(topic, 2)
  await produce(topic, [{ value: 'x', partition: 0 }])
  const consumer = new Consumer({ ...base, groupId: topic, deserializers: stringDeserializers, sessionTimeout: 6000, heartbeatInterval: 500 })
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false })
  stream.on('error', () => {})
  stream.on('data', () => {})
  const told = await admin.describeGroups({ groups: [topic] })
  expect([told.get(topic).state, told.get(topic).members.size], ['Stable', 1], 'described')
  expect((await admin.listGroups()).has(topic), true, 'listed')
  await stream.close()
  await consumer.close(true)
  await until(async () => (await admin.describeGroups({ groups: [topic] })).get(topic).members.size === 0, 'left')
  await admin.deleteGroups({ groups: [topic] })
}

await run([topics, keysHeadersCodecs, idempotent, commitAndResume, groups])
