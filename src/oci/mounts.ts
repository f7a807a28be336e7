/** What a mount of a spec asks for. */
import type { OciMount } from './spec.ts'

/** Whether it shows files that are there already. */
export function isBind({ type, options = [] }: OciMount): boolean {
  return type === 'bind' || options.includes('bind') || options.includes('rbind')
}

/** Whether it asks for the pod's shared memory. A tmpfs of the container's own stays its own. */
export function isPodShm(mount: OciMount): boolean {
  return mount.destination === '/dev/shm' && isBind(mount)
}
