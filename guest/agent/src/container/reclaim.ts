/** Memory of a container that stands still, for others to have. */
import { errnoName, readIfThere, set } from '../system/files.ts'
import { sleep } from '../system/wait.ts'
import type { Cgroup } from './cgroup.ts'

/** Taken at a time, bytes: other calls are answered in between. */
const step = 16 * 1024 * 1024

/** The kernel takes back what it can, the cache of files above all; what is to be written to them is written first. @throws SysError. */
export async function reclaimMemory({ directory }: Cgroup): Promise<void> {
  for (let left = Number(readIfThere(`${directory}/memory.current`) ?? 0); left > 0; left -= step) {
    if (!reclaim(`${directory}/memory.reclaim`, Math.min(step, left))) return
    await sleep(0)
  }
}

/** False when there was less to take. */
function reclaim(file: string, bytes: number): boolean {
  try {
    set(file, String(bytes))
    return true
  } catch (error) {
    if (errnoName(error) === 'EAGAIN') return false
    throw error
  }
}
