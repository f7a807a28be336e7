import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, silentLogger } from '../../log.ts'
import { EventsDefinition } from '../../protocol/generated/containerd/events.ts'
import { TaskExit } from '../../protocol/generated/containerd/task_events.ts'
import { type Listener, listen } from '../../ttrpc/bun.ts'
import { type ServerConnection, serve, service, TtrpcError } from '../../ttrpc/ttrpc.ts'
import { taskEvents } from './events.ts'
import { createPublisher } from './publisher.ts'

let directory: string
let address: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'publisher-'))
  address = join(directory, 'ttrpc')
})
afterEach(() => rmSync(directory, { recursive: true }))

const oom = (containerId: string) => taskEvents.oom({ containerId })

/** A double of containerd that takes events; `refuse` may throw for a topic. */
class Intake {
  readonly topics: string[] = []
  readonly events: unknown[] = []
  atOnce = 0
  most = 0
  readonly #listener: Listener
  readonly #connections: ServerConnection[] = []

  constructor(refuse: (topic: string) => void = () => {}) {
    const services = [
      service(EventsDefinition, {
        forward: async ({ envelope }) => {
          this.most = Math.max(this.most, ++this.atOnce)
          await Bun.sleep(1)
          this.atOnce--
          refuse(envelope!.topic)
          this.topics.push(envelope!.topic)
          this.events.push(envelope)
          return {}
        },
      }),
    ]
    this.#listener = listen({ unix: address }, (transport) =>
      this.#connections.push(serve(transport, services)),
    )
  }

  stop(): void {
    this.#listener.stop()
    for (const connection of this.#connections) connection.close()
  }
}

describe('events', () => {
  test('arrive one at a time, in their order, with namespace, time and bare type name', async () => {
    const intake = new Intake()
    const publisher = createPublisher({ address, namespace: 'k8s.io', log: silentLogger })
    publisher.publish(
      taskEvents.create({
        containerId: 'c',
        bundle: '/b',
        rootfs: [],
        io: undefined,
        checkpoint: '',
        pid: 1,
      }),
    )
    publisher.publish(taskEvents.start({ containerId: 'c', pid: 1 }))
    publisher.publish(oom('c'))
    publisher.publish(
      taskEvents.exit({ containerId: 'c', id: 'c', pid: 1, exitStatus: 137, exitedAt: undefined }),
    )
    await publisher.flush(5000)
    expect(intake.topics).toEqual(['/tasks/create', '/tasks/start', '/tasks/oom', '/tasks/exit'])
    expect(intake.most).toBe(1)
    const last = intake.events.at(-1) as { namespace: string; event: { typeUrl: string; value: Uint8Array } }
    expect(last).toMatchObject({ namespace: 'k8s.io', event: { typeUrl: 'containerd.events.TaskExit' } })
    expect(TaskExit.decode(last.event.value).exitStatus).toBe(137)
    intake.stop()
  })

  test('wait for a containerd that is not there yet, and survive its restart', async () => {
    const publisher = createPublisher({ address, namespace: 'n', log: silentLogger })
    publisher.publish(oom('before'))
    await publisher.flush(50)
    const first = new Intake()
    await publisher.flush(5000)
    expect(first.topics).toHaveLength(1)
    first.stop()
    publisher.publish(oom('between'))
    await publisher.flush(50)
    const second = new Intake()
    await publisher.flush(5000)
    expect(second.topics).toHaveLength(1)
    second.stop()
  })

  test('one that containerd refuses does not hold up the next', async () => {
    const intake = new Intake((topic) => {
      if (topic === '/tasks/start') throw new TtrpcError('invalid_argument', 'no')
    })
    const warnings: unknown[] = []
    const log = createLogger({ sink: ({ fields }) => warnings.push(fields.topic) })
    const publisher = createPublisher({ address, namespace: 'n', log })
    publisher.publish(taskEvents.start({ containerId: 'c', pid: 1 }))
    publisher.publish(oom('c'))
    await publisher.flush(5000)
    expect(intake.topics).toEqual(['/tasks/oom'])
    expect(warnings).toEqual(['/tasks/start'])
    intake.stop()
  })

  test('that a containerd which is stopped cancels are told to the next one', async () => {
    const stopped = new Intake(() => {
      throw new TtrpcError('cancelled', 'context canceled')
    })
    const publisher = createPublisher({ address, namespace: 'n', log: silentLogger })
    publisher.publish(oom('c'))
    await publisher.flush(100)
    stopped.stop()
    const next = new Intake()
    await publisher.flush(5000)
    expect(next.topics).toEqual(['/tasks/oom'])
    next.stop()
  })

  test('are given up when nobody took them in time, and flush does not wait longer than it may', async () => {
    const warnings: unknown[] = []
    const log = createLogger({ sink: ({ message }) => warnings.push(message) })
    const patient = createPublisher({ address, namespace: 'n', log })
    patient.publish(oom('c'))
    await patient.flush(1)
    expect(warnings).toEqual([])
    const hasty = createPublisher({ address, namespace: 'n', log, keepMs: 100 })
    hasty.publish(oom('c'))
    await hasty.flush(10_000)
    expect(warnings).toEqual(['event given up'])
    const intake = new Intake()
    await patient.flush(5000)
    expect(intake.topics).toHaveLength(1)
    intake.stop()
  })
})
