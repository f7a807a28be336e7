/** What a mount of a spec asks for. */
import type { OciMount } from './spec.ts'

/** Whether it shows files that are there already. */
export function isBind({ type, options = [] }: OciMount): boolean {
  return type === 'bind' || options.includes('bind') || options.includes('rbind')
}

/** Whether the container may only read there. `rro` holds for what is mounted below as well; CRI clients send it in place of `ro`. */
export function isReadOnly({ options = [] }: OciMount): boolean {
  return options.includes('ro') || options.includes('rro')
}
