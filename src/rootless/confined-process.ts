/** A process that comes through the door (confine.ts) in stages: it is started, set up by its owner, and only then checked. */
import type { Ledger } from '../ledger/ledger.ts'
import { processResource } from '../ledger/process-resource.ts'
import { confirmLaunched, heldAsProcess, launchHeld, type Start } from './confine.ts'
import type { LaunchedProcess } from './jail/launch-spec.ts'
import type { Asked, Launched } from './launcher.ts'
import type { ExpectedPosture } from './posture/posture-check.ts'
import { recordHandover } from './posture/posture-record.ts'

export class ConfinedProcess {
  readonly #ledger: Ledger
  readonly #start: Start<Launched>
  readonly #launched: Launched

  private constructor(ledger: Ledger, start: Start<Launched>, launched: Launched) {
    this.#ledger = ledger
    this.#start = start
    this.#launched = launched
  }

  /** The first stage: it is in the ledger and runs. @throws KataError those of the launcher; no process is left then. */
  static async start(ledger: Ledger, start: Start<Launched>): Promise<ConfinedProcess> {
    const heldAs = heldAsProcess(start.name)
    const launched = await ledger.take(heldAs.kind, heldAs.data([]), (entry) =>
      launchHeld(entry, heldAs, start),
    )
    return new ConfinedProcess(ledger, start, launched)
  }

  get launched(): LaunchedProcess {
    return this.#launched
  }

  /**
   * The second stage: compares the process and its companions with the requested posture, and records for audits what it may be from now on.
   *
   * @throws KataError POSTURE_DIFFERS, PROCESS_GONE.
   */
  confirm(asked: Asked): Promise<void> {
    return confirmLaunched(this.#start, this.#launched, asked)
  }

  /** Compares the program again once it works, and records `expected` for audits. @throws KataError as {@link confirm}. */
  confirmAtWork(expected: ExpectedPosture): Promise<void> {
    const alone = { ...this.#launched, companions: [] }
    return confirmLaunched(this.#start, alone, { checked: expected, working: expected })
  }

  /** Records for audits that the process got these descriptors under `key`; with none, that it gave them back. */
  handedOver(key: string, fds: readonly number[]): void {
    recordHandover(this.#start.stateDir, this.#start.name, { key, fds })
  }

  /** Ends the process and waits for its end. @throws KataError PROCESS_STAYS. */
  async end(): Promise<void> {
    const { ref, exited } = this.#launched
    await this.#ledger.release(processResource, (held) => held.ref?.pid === ref.pid)
    await exited
  }
}
