// Runs a program with what virtiofsd's serving process keeps of its capabilities, in whatever namespaces it is started.
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// chown, dac_override, fowner, fsetid, setgid, setuid, mknod, setfcap.
static const unsigned long kept = 0x880000db;

int main(int count, char **arg) {
  for (int capability = 0; capability < 64; capability++)
    if (!(kept >> capability & 1)) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2] = {{kept, kept, 0}, {0, 0, 0}};
  if (count < 2 || syscall(SYS_capset, &head, sets) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 125;
  execv(arg[1], arg + 1);
  return 126;
}
