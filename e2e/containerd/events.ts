/** What containerd tells its subscribers about tasks, as `ctr events` prints it. */
import type { Containerd } from './containerd.ts'

interface TaskEventLine {
  /** `create`, `exec-added` and so on. */
  readonly topic: string
  readonly containerId: string
  /** Empty for the init process. */
  readonly execId: string
}

export class EventLog {
  readonly #child: Bun.Subprocess<'pipe' | Blob, 'pipe', 'pipe'>
  readonly #lines: TaskEventLine[] = []

  constructor(containerd: Containerd, namespace: string) {
    this.#child = containerd.spawnCtr(['events'], { namespace })
    void this.#read()
  }

  /** Topics of the events of a container's init process, in the order in which they came. */
  of(containerId: string): string[] {
    return this.ofExec(containerId, '')
  }

  ofExec(containerId: string, execId: string): string[] {
    return this.#lines
      .filter((line) => line.containerId === containerId && line.execId === execId)
      .map(({ topic }) => topic)
  }

  /** Ids of the processes that were added to a container. */
  execsOf(containerId: string): string[] {
    return this.#lines
      .filter((line) => line.containerId === containerId && line.topic === 'exec-added')
      .map(({ execId }) => execId)
  }

  /** Ids of the processes of a container whose ends were told, in the order of that; empty for its init process. */
  exitsOf(containerId: string): string[] {
    return this.#lines
      .filter((line) => line.containerId === containerId && line.topic === 'exit')
      .map(({ execId }) => execId)
  }

  close(): void {
    this.#child.kill()
  }

  async #read(): Promise<void> {
    let rest = ''
    for await (const chunk of this.#child.stdout) {
      const lines = (rest + Buffer.from(chunk).toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#take(line)
    }
  }

  /** `2026-11-25 10:00:00.0 +0000 UTC default /tasks/exit {...}` */
  #take(line: string): void {
    const [, topic = '', json] = /\/tasks\/(\S+) (\{.*\})$/.exec(line) ?? []
    if (json === undefined) return
    const { container_id: containerId = '', exec_id, id } = JSON.parse(json) as Record<string, string>
    const process = exec_id ?? id ?? ''
    this.#lines.push({ topic, containerId, execId: process === containerId ? '' : process })
  }
}
