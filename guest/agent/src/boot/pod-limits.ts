/** Limits of the kernel that hold for the whole pod. */
import { set } from '../system/files.ts'

/** The largest number that a parameter of this kind takes. */
const most = '9223372036854775807'

export function liftPodLimits(): void {
  // Limits of files beyond the default of 1048576, as a host with systemd gives them, can be asked for.
  set('/proc/sys/fs/nr_open', '1073741816')
  // The kernel's defaults come from the memory at boot, and the machine grows. What these allow counts as memory of the container.
  set('/proc/sys/fs/file-max', most)
  set('/proc/sys/fs/epoll/max_user_watches', most)
  set('/proc/sys/fs/inotify/max_user_watches', '1048576')
  // The default of 128 is for all of root's programs in the pod. Each takes a descriptor, and memory of the container.
  set('/proc/sys/fs/inotify/max_user_instances', '2147483647')
  // It counts all pipes of a user, and 0 is no limit. The agent's pipes of 1 MiB, three for each process, count as those of root in every container:
  // beyond the default, which 22 processes reach, root's own pipes have 8 KiB, and programs that count on 64 KiB hang.
  set('/proc/sys/fs/pipe-user-pages-soft', '0')
  // As on a host with systemd.
  set('/proc/sys/vm/max_map_count', '1048576')
  // A guest has a handful of containers; the default of 32768 lets one pod use up the numbers of all.
  set('/proc/sys/kernel/pid_max', '4194304')
}
