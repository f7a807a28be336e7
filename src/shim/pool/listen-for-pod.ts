/** The adoption socket of a machine that waits: it takes one pod, or the word that there is to be none. */
import { rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { peerOf } from '../../linux/sockets/peer.ts'
import { listenUnix } from '../../linux/sockets/socket.ts'
import {
  type Answer,
  answerOne,
  type NewPod,
  type Question,
  socketOf,
} from '../../sandbox/pool/adoption-socket.ts'
import type { WaitingMachine } from '../../sandbox/pool/waiting-machine.ts'
import { listen } from '../../ttrpc/bun.ts'
import { build } from '../../version.ts'
import { type TakenPod, takePod } from './take-pod.ts'

export interface PodListener {
  /** Lets nobody in any more, and takes no pod of those that are in. The name goes first: who is reset then sees why (take-waiting.ts). */
  close(): void
}

export interface PodListenerOptions {
  readonly runDir: string
  /** Whether its configuration is the one that there is now. */
  isCurrent(): boolean
  onTaken(pod: TakenPod): void
  onEnd(): void
}

const no = (reason: string): Answer => ({ done: false, reason })
const yes: Answer = { done: true, reason: '' }

/** One question at a time is answered, so that no two pods can be taken. */
export function listenForPod(
  machine: WaitingMachine,
  { runDir, isCurrent, onTaken, onEnd }: PodListenerOptions,
): PodListener {
  const path = socketOf(machine.paths)
  let isOver = false
  const end = (answer: Answer): Answer => {
    isOver = true
    onEnd()
    return answer
  }
  const take = (pod: NewPod): Answer => {
    // An upgrade left it waiting. No pod is to have what the new build has mended, so no pod is ever for it.
    if (pod.build !== build) return end(no(`it is of another build of kata-ts, ${build}, and ends`))
    const taken = takePod(pod, machine, runDir)
    if ('refused' in taken) {
      if (taken.isSpent) return end(no(taken.refused))
      if (isCurrent()) return no(taken.refused)
      // The pool server looks now and then, and sees no change that was taken back meanwhile: this machine would keep its place for good.
      return end(no(`its configuration was changed since it began to wait, and it ends: ${taken.refused}`))
    }
    isOver = true
    onTaken(taken)
    return yes
  }
  const reply = ({ ask, pod }: Question, isThere: () => boolean): Answer => {
    if (isOver) return no('it is taken, or ends')
    // The asker has given up, and may have started another shim.
    if (!isThere()) return no('the asker has gone')
    if (ask === 'adopt') return pod === undefined ? no('no pod is named') : take(pod)
    return end(yes)
  }
  const listener = listen({ fd: listenUnix(path) }, (transport, connection) => {
    // The directory is root's alone, and so is the socket: this is for a descriptor that was handed on.
    if (peerOf(connection).uid !== 0)
      transport.close(new KataError('NOT_ROOT', { what: 'the adoption of a waiting machine' }))
    else void answerOne(transport, reply).catch(() => transport.close())
  })
  return {
    close() {
      isOver = true
      rmSync(path, { force: true })
      listener.stop()
    },
  }
}
