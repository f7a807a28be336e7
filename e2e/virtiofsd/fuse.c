// Speaks vhost-user and raw FUSE to a virtiofsd, as the kernel of a guest would that is the attacker's. Descriptor 3 is the
// connection; each argument is one act, `name parameter...`. Prints one JSON line per act, as ../attack/attacker.c does.
// A parameter is a name as it goes over the wire, or `a:b:c` where a file is meant: its lookups from the root on.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { connection = 3, queue = 1, entries = 16, memory_size = 1 << 20 };
enum { avail_at = 0x1000, used_at = 0x2000, out_at = 0x4000, in_at = 0x80000, in_size = 0x1000 };
static unsigned char *memory;
static int kick, called;
static unsigned short sent;
static int patience = 10000;  // milliseconds; less once a request was none, which gets no answer

// vhost-user: a header of three words, a payload, descriptors beside it.
static void tell(unsigned request, const void *payload, unsigned size, int fd) {
  unsigned head[3] = {request, 1, size};
  struct iovec parts[2] = {{head, sizeof head}, {(void *)payload, size}};
  union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(int))]; } control = {.bytes = {0}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  if (fd >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    control.head = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
  }
  if (sendmsg(connection, &message, 0) < 0) exit(2);
}
static unsigned long long ask(unsigned request) {
  struct { unsigned head[3]; unsigned long long value; } __attribute__((packed)) answer;
  tell(request, 0, 0, -1);
  if (recv(connection, &answer, sizeof answer, MSG_WAITALL) != sizeof answer) exit(3);
  return answer.value;
}
static void connect_queue(void) {
  enum { get_features = 1, set_features, set_owner, set_mem_table = 5, set_vring_num = 8, set_vring_addr, set_vring_base };
  enum { set_vring_kick = 12, set_vring_call, get_protocol = 15, set_protocol, set_vring_enable = 18 };
  int fd = memfd_create("guest", 0);
  if (fd < 0 || ftruncate(fd, memory_size) < 0) exit(4);
  memory = mmap(0, memory_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  unsigned long long at = (unsigned long long)memory;
  unsigned long long features = ask(get_features) & (1ull << 32 | 1ull << 30), none = 0, which = queue;
  tell(set_owner, 0, 0, -1);
  tell(set_features, &features, sizeof features, -1);
  ask(get_protocol);
  tell(set_protocol, &none, sizeof none, -1);
  unsigned long long table[5] = {1, 0, memory_size, at, 0};
  tell(set_mem_table, table, sizeof table, fd);
  unsigned number[2] = {queue, entries}, base[2] = {queue, 0}, enabled[2] = {queue, 1};
  unsigned long long address[5] = {queue, at, at + used_at, at + avail_at, 0};
  tell(set_vring_num, number, sizeof number, -1);
  tell(set_vring_addr, address, sizeof address, -1);
  tell(set_vring_base, base, sizeof base, -1);
  tell(set_vring_call, &which, sizeof which, called = eventfd(0, 0));
  tell(set_vring_kick, &which, sizeof which, kick = eventfd(0, 0));
  tell(set_vring_enable, enabled, sizeof enabled, -1);
  ask(get_features);  // in order with what is before: the queue is there now
}

// One request of `size` bytes at out_at, its answer at in_at; 0 or an errno.
static struct fuse_out_header *answer_of(void) { return (struct fuse_out_header *)(memory + in_at); }
static int exchange(unsigned size, unsigned long long answer_at) {
  struct vring_desc *descriptor = (struct vring_desc *)memory;
  struct vring_avail *avail = (struct vring_avail *)(memory + avail_at);
  volatile struct vring_used *used = (struct vring_used *)(memory + used_at);
  descriptor[0] = (struct vring_desc){out_at, size, VRING_DESC_F_NEXT, 1};
  descriptor[1] = (struct vring_desc){answer_at, in_size, VRING_DESC_F_WRITE, 0};
  unsigned short before = used->idx;
  memset(memory + in_at, 0, in_size);
  avail->ring[sent % entries] = 0;
  __atomic_store_n(&avail->idx, ++sent, __ATOMIC_SEQ_CST);
  if (eventfd_write(kick, 1) < 0) exit(5);
  for (int tries = 0; used->idx == before; tries++) {
    struct pollfd ready[2] = {{called, POLLIN, 0}, {connection, POLLIN, 0}};
    eventfd_t count;
    if (tries > 100 || poll(ready, 2, patience) <= 0) return ETIMEDOUT;
    if (ready[1].revents & (POLLHUP | POLLERR)) return ECONNRESET;
    if (ready[0].revents) eventfd_read(called, &count);
  }
  return -answer_of()->error;
}
static unsigned caller;  // the user that requests say they are of
static int ask_fuse(unsigned opcode, unsigned long long node, const void *body, unsigned size) {
  struct fuse_in_header head = {.len = sizeof head + size, .opcode = opcode, .unique = sent + 1, .nodeid = node};
  head.uid = head.gid = caller;
  memcpy(memory + out_at, &head, sizeof head);
  memcpy(memory + out_at + sizeof head, body, size);
  return exchange(head.len, in_at);
}
static const void *reply(void) { return answer_of() + 1; }

// A fixed part and up to two names.
static int with_names(unsigned opcode, unsigned long long node, const void *fixed, unsigned size, const char *one, const char *two) {
  char body[8192];
  memcpy(body, fixed, size);
  for (const char *const *name = (const char *const[]){one, two, 0}; *name; name++) {
    memcpy(body + size, *name, strlen(*name) + 1);
    size += strlen(*name) + 1;
  }
  return ask_fuse(opcode, node, body, size);
}
static int lookup(unsigned long long *node, const char *name) {
  int error = with_names(FUSE_LOOKUP, *node, 0, 0, name, 0);
  if (error == 0) *node = ((const struct fuse_entry_out *)reply())->nodeid;
  return error;
}
// The file of `a:b:c`; its lookups must work.
static unsigned long long file(const char *path) {
  unsigned long long node = FUSE_ROOT_ID;
  char *copy = strdup(path), *state = 0;
  for (char *name = strtok_r(copy, ":", &state); name; name = strtok_r(0, ":", &state))
    if (lookup(&node, name) != 0) {
      fprintf(stderr, "no %s\n", path);
      exit(6);
    }
  return node;
}
static int open_file(unsigned long long node, unsigned flags) {
  struct fuse_open_in body = {.flags = flags};
  return ask_fuse(FUSE_OPEN, node, &body, sizeof body);
}

static int act_lookup(char **arg) {
  unsigned long long node = file(arg[0]);
  return lookup(&node, arg[1]);
}
static int act_forged(char **arg) {
  struct fuse_getattr_in body = {0};
  return ask_fuse(FUSE_GETATTR, strtoull(arg[0], 0, 0), &body, sizeof body);
}
static int act_read(char **arg) {
  unsigned long long node = file(arg[0]);
  int error = open_file(node, O_RDONLY);
  struct fuse_read_in body = {.fh = ((const struct fuse_open_out *)reply())->fh, .size = 16};
  return error ? error : ask_fuse(FUSE_READ, node, &body, sizeof body);
}
static int act_write(char **arg) { return open_file(file(arg[0]), O_WRONLY); }
static int act_create(char **arg) {  // directory name mode user
  struct fuse_create_in body = {.flags = O_CREAT | O_EXCL | O_RDWR, .mode = S_IFREG | strtoul(arg[2], 0, 8)};
  unsigned long long node = file(arg[0]);
  caller = strtoul(arg[3], 0, 0);
  int error = with_names(FUSE_CREATE, node, &body, sizeof body, arg[1], 0);
  caller = 0;
  return error;
}
static int act_mknod(char **arg) {  // directory name mode device
  struct fuse_mknod_in body = {.mode = strtoul(arg[2], 0, 8), .rdev = strtoul(arg[3], 0, 0)};
  return with_names(FUSE_MKNOD, file(arg[0]), &body, sizeof body, arg[1], 0);
}
static int act_mkdir(char **arg) {
  struct fuse_mkdir_in body = {.mode = 0755};
  return with_names(FUSE_MKDIR, file(arg[0]), &body, sizeof body, arg[1], 0);
}
static int act_unlink(char **arg) { return with_names(FUSE_UNLINK, file(arg[0]), 0, 0, arg[1], 0); }
static int act_symlink(char **arg) { return with_names(FUSE_SYMLINK, file(arg[0]), 0, 0, arg[1], arg[2]); }
static int act_rename(char **arg) {  // directory old directory new
  struct fuse_rename2_in body = {.newdir = file(arg[2])};
  return with_names(FUSE_RENAME2, file(arg[0]), &body, sizeof body, arg[1], arg[3]);
}
static int act_link(char **arg) {  // file directory new
  struct fuse_link_in body = {.oldnodeid = file(arg[0])};
  return with_names(FUSE_LINK, file(arg[1]), &body, sizeof body, arg[2], 0);
}
static int act_chmod(char **arg) {
  struct fuse_setattr_in body = {.valid = FATTR_MODE, .mode = S_IFREG | strtoul(arg[1], 0, 8)};
  return ask_fuse(FUSE_SETATTR, file(arg[0]), &body, sizeof body);
}
static int act_chown(char **arg) {
  struct fuse_setattr_in body = {.valid = FATTR_UID, .uid = strtoul(arg[1], 0, 0)};
  return ask_fuse(FUSE_SETATTR, file(arg[0]), &body, sizeof body);
}
static int act_capability(char **arg) {  // struct vfs_cap_data, version 2: net_bind_service, effective
  unsigned body[32] = {20, 0}, value[5] = {0x02000001, 1 << 10};
  unsigned long long node = file(arg[0]);
  memcpy(body + 2, "security.capability", 20);
  memcpy(body + 7, value, sizeof value);
  return ask_fuse(FUSE_SETXATTR, node, body, 48);
}
static int act_opcode(char **arg) { return ask_fuse(strtoul(arg[0], 0, 0), FUSE_ROOT_ID, "", 0); }
static int act_length(char **arg) {  // a header that claims more than there is
  struct fuse_in_header head = {.len = strtoul(arg[0], 0, 0), .opcode = FUSE_LOOKUP, .nodeid = FUSE_ROOT_ID};
  patience = 1000;
  memcpy(memory + out_at, &head, sizeof head);
  return exchange(sizeof head, in_at);
}
static int act_answer_at(char **arg) {  // an address that is not the guest's memory
  struct fuse_in_header head = {.len = sizeof head, .opcode = FUSE_STATFS, .nodeid = FUSE_ROOT_ID};
  patience = 1000;
  memcpy(memory + out_at, &head, sizeof head);
  return exchange(sizeof head, strtoull(arg[0], 0, 0));
}

static const struct { const char *name; int (*perform)(char **); } acts[] = {
  {"lookup", act_lookup}, {"forged", act_forged}, {"read", act_read}, {"write", act_write}, {"create", act_create},
  {"mknod", act_mknod}, {"mkdir", act_mkdir}, {"unlink", act_unlink}, {"symlink", act_symlink}, {"rename", act_rename},
  {"link", act_link}, {"chmod", act_chmod}, {"chown", act_chown}, {"capability", act_capability},
  {"opcode", act_opcode}, {"length", act_length}, {"answer-at", act_answer_at},
};

int main(int count, char **arg) {
  setvbuf(stdout, 0, _IOLBF, 0);
  connect_queue();
  struct fuse_init_in init = {.major = FUSE_KERNEL_VERSION, .minor = 38, .max_readahead = 4096};
  int error = ask_fuse(FUSE_INIT, 0, &init, sizeof init);
  if (error) {
    fprintf(stderr, "init: %s\n", strerror(error));
    return 7;
  }
  for (int index = 1; index < count; index++) {
    char *words[8] = {0}, *copy = strdup(arg[index]), *state = 0;
    int parts = 0;
    for (char *word = strtok_r(copy, " ", &state); word && parts < 7; word = strtok_r(0, " ", &state)) words[parts++] = word;
    for (unsigned which = 0; which < sizeof acts / sizeof *acts; which++)
      if (strcmp(acts[which].name, words[0]) == 0) error = acts[which].perform(words + 1);
    printf("{\"act\":\"%s\",\"result\":\"%s\"}\n", arg[index], error ? strerrorname_np(error) : "ok");
  }
  return 0;
}
