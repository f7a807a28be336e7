/** Out-of-memory events of containers, for the host to collect one by one. */
import { close, open } from 'syscalls'
import { events, type Loop } from '../devices/loop.ts'
import type { Cancellable } from '../streams/output-stream.ts'
import { openFlags } from '../system/files.ts'
import type { Cgroup } from './cgroup.ts'
import { oomKills } from './cgroup.ts'

/** Events that nobody collects are dropped, oldest first, beyond this many. */
const longestBacklog = 64

export interface OomWatch {
  /** Looks now: whoever tells the end of a process asks first, so that its cause is told before it. */
  look(): void
  /** Looks a last time. */
  stop(): void
}

export interface OomEvents {
  watch(containerId: string, cgroup: Cgroup): OomWatch
  /** The id of the next container that had a process killed; undefined when the call is cancelled. */
  next(call: Cancellable): Promise<string | undefined>
}

export function createOomEvents(loop: Loop): OomEvents {
  const backlog: string[] = []
  const waiting = new Set<(id: string) => void>()

  const publish = (id: string): void => {
    const [first] = waiting
    if (first !== undefined) {
      waiting.delete(first)
      first(id)
    } else if (!backlog.includes(id)) {
      backlog.push(id)
      if (backlog.length > longestBacklog) backlog.shift()
    }
  }

  return {
    watch(containerId, cgroup) {
      let seen = 0n
      const look = () => {
        const kills = oomKills(cgroup)
        if (kills > seen) publish(containerId)
        if (kills > seen) seen = kills
      }
      // The kernel reports a change of memory.events as a priority event of an open descriptor of it.
      const fd = open(`${cgroup.directory}/memory.events`, openFlags.readOnly, 0)
      loop.watch(fd, events.priority | events.edge, look)
      const stop = () => {
        look()
        loop.forget(fd)
        close(fd)
      }
      return { look, stop }
    },
    next(call) {
      const ready = backlog.shift()
      if (ready !== undefined) return Promise.resolve(ready)
      return new Promise((resolve) => {
        waiting.add(resolve)
        call.onCancel(() => {
          waiting.delete(resolve)
          resolve(undefined)
        })
      })
    },
  }
}
