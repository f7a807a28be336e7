/** The double's conversation with the QEMU underneath, over one end of a pair of sockets. */

import { receive, send } from 'double'
import { close } from 'syscalls'
import { events, type Loop } from '../../../../guest/agent/src/devices/loop.ts'

export type QmpEvents = (name: string, data: Record<string, unknown>) => void

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

export class Qmp {
  readonly #fd: number
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #text = ''
  #over = false

  /** `onEnd` is called when QEMU is gone. */
  constructor(loop: Loop, fd: number, onEvent: QmpEvents, onEnd: () => void) {
    this.#fd = fd
    loop.watch(fd, events.in, () => {
      const message = receiveOrEnd(fd)
      if (message === null) return
      if (message === '') {
        this.#over = true
        loop.forget(fd)
        close(fd)
        for (const { reject } of this.#waiting.values()) reject(new Error('QEMU has ended'))
        return onEnd()
      }
      this.#text += message
      const lines = this.#text.split('\n')
      this.#text = lines.pop() ?? ''
      for (const line of lines) this.#dispatch(JSON.parse(line), onEvent)
    })
  }

  execute(command: string, args: object = {}, fds: readonly number[] = []): Promise<unknown> {
    if (this.#over) return Promise.reject(new Error('QEMU has ended'))
    const id = this.#nextId++
    send(this.#fd, `${JSON.stringify({ execute: command, arguments: args, id })}\n`, fds)
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  #dispatch(message: Record<string, unknown>, onEvent: QmpEvents): void {
    if (typeof message.event === 'string') {
      onEvent(message.event, (message.data ?? {}) as Record<string, unknown>)
      return
    }
    const waiting = this.#waiting.get(message.id as number)
    this.#waiting.delete(message.id as number)
    if (waiting === undefined) return
    if (message.error === undefined) waiting.resolve(message.return)
    else waiting.reject(new Error((message.error as { desc: string }).desc))
  }
}

function receiveOrEnd(fd: number): string | null {
  try {
    return receive(fd)?.text ?? null
  } catch {
    return ''
  }
}
