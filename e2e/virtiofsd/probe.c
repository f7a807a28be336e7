// What programs in a container do with files, each act once: "probe DIR" prints a line "act result" for each, where
// the result is ok or the name of the error. "probe caps" prints the effective capabilities that it runs with;
// "probe grant FILE" gives a program one, as an image may.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static void say(const char *act, long result) {
  printf("%s %s\n", act, result >= 0 ? "ok" : strerrorname_np(errno));
}

static int file(const char *path, const char *text) {
  int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
  if (fd < 0) return -1;
  long written = write(fd, text, strlen(text));
  return close(fd) | (written < 0 ? -1 : 0);
}

// cap_net_bind_service, permitted and effective.
static const struct vfs_cap_data bind_service = {
    .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, .data = {{.permitted = 1 << 10}}};

static long listen_on(const char *path) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  strncpy(to.sun_path, path, sizeof to.sun_path - 1);
  return bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to);
}

// A file that grows by a pattern, read back by another descriptor.
static long pattern(const char *path, int megabytes) {
  static unsigned block[1 << 18], back[1 << 18];
  int out = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644), in = open(path, O_RDONLY);
  for (int i = 0; i < megabytes; i++) {
    for (unsigned word = 0; word < 1 << 18; word++) block[word] = word * 2654435761u + i;
    if (write(out, block, sizeof block) != sizeof block) return -1;
  }
  for (int i = 0; i < megabytes; i++) {
    if (read(in, back, sizeof back) != sizeof back || back[77] != 77 * 2654435761u + i) return -1;
  }
  return 0;
}

static long capabilities(void) {
  char line[256];
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status))
    if (strncmp(line, "CapEff", 6) == 0) fputs(line, stdout);
  return 0;
}

int main(int count, char **arg) {
  if (count > 1 && strcmp(arg[1], "caps") == 0) return (int)capabilities();
  if (count > 2 && strcmp(arg[1], "grant") == 0) {
    if (setxattr(arg[2], "security.capability", &bind_service, XATTR_CAPS_SZ_2, 0) == 0) return 0;
    perror(arg[2]);
    return 1;
  }
  if (count < 2 || chdir(arg[1]) < 0) return 1;
  say("write", file("plain", "text"));
  say("chown", file("foreign", "") | chown("foreign", 1234, 4321));
  say("chown-highest", file("highest", "") | chown("highest", 4294967294u, 4294967294u));
  say("chown-beyond", file("beyond", "") | chown("beyond", 3000000001u, 3000000001u));
  say("setuid-bit", file("setuid", "") | chmod("setuid", 06755));
  say("sticky", mkdir("sticky", 0755) | chmod("sticky", 01777));
  say("capability", file("capable", "") | setxattr("capable", "security.capability", &bind_service, XATTR_CAPS_SZ_2, 0));
  say("attribute", file("marked", "") | setxattr("marked", "user.mark", "value", 5, 0));
  say("trusted-attribute", file("trusted", "") | setxattr("trusted", "trusted.mark", "x", 1, 0));
  say("fifo", mkfifo("fifo", 0640));
  say("socket", listen_on("socket"));
  say("symlink", symlink("/etc/shadow", "symlink"));
  say("hard-link", link("plain", "hard-link"));
  say("character-device", mknod("null", S_IFCHR | 0666, makedev(1, 3)));
  say("block-device", mknod("disk", S_IFBLK | 0666, makedev(8, 0)));
  say("rename-over", file("old", "old") | file("new", "new") | rename("new", "old"));
  say("delete", file("gone", "") | unlink("gone"));
  say("big-file", pattern("big", 24));
  return 0;
}
