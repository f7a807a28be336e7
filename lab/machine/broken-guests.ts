/**
 * Guests that the emulated SVM has broken. QEMU 10.0's leaves the lab host's own registers to a guest now and then, when that is entered: it
 * runs with the host's page table at the instruction of the host's kvm_amd that was to enter it. It resets or falls silent, without a word.
 * KVM's trace of exits tells where a guest was, and none of ours has code of its own there.
 */
import { mustInLab } from './ssh.ts'

/** A buffer of the kernel's traces that nobody else uses. */
const traces = '/sys/kernel/tracing/instances/kata-ts'

/** Has the lab host note such exits from now on, and forget those of before. @throws Error with what failed. */
export async function watchGuests(): Promise<void> {
  await mustInLab(`set -eu
    modprobe kvm_amd
    mkdir -p ${traces}
    cd ${traces}
    echo 0 >events/enable
    range=$(sort /proc/kallsyms | awk '$3 == "__svm_vcpu_run" { print $1; getline; print $1 }')
    set -- $range
    echo "guest_rip >= 0x$1 && guest_rip < 0x$2" >events/kvm/kvm_exit/filter
    echo >trace
    echo 1 >events/kvm/kvm_exit/enable`)
}

/** What came of that, for a person; undefined for no such guest. @throws Error where nobody watches. */
export async function brokenGuest(): Promise<string | undefined> {
  const exits = await mustInLab(`cat ${traces}/trace`)
  return /kvm_exit: /.test(exits)
    ? 'the emulated SVM gave a guest the lab host’s own registers (lab/machine/broken-guests.ts)'
    : undefined
}
