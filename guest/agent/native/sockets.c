/* Sockets, and the size of a terminal. */
#include "syscalls.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* listenUnix(path): a listening stream socket. */
FUNCTION(js_listen_unix) {
  const char *path = text(ctx, argv[0]);
  if (!path) return JS_EXCEPTION;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int error = strlen(path) < sizeof address.sun_path ? 0 : ENAMETOOLONG;
  const int fd = error ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (!error) {
    strcpy(address.sun_path, path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4) < 0) error = errno;
  }
  JSValue answer = error ? fail_at(ctx, "listen on", path, error) : JS_NewInt32(ctx, fd);
  if (error && fd >= 0) close(fd);
  free_text(ctx, path);
  return answer;
}

/* listenVsock(port): a listening AF_VSOCK stream socket on any CID. */
FUNCTION(js_listen_vsock) {
  struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = (unsigned)long_integer(ctx, argv[0])};
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0) return JS_NewInt32(ctx, fd);
  const int error = errno;
  if (fd >= 0) close(fd);
  return fail(ctx, "listen on vsock", error);
}

/* accept(fd): a non-blocking connection, or null when none waits. One over vsock that is not the host's is refused. */
FUNCTION(js_accept) {
  struct sockaddr_storage peer = {0};
  const struct sockaddr_vm *machine = (const struct sockaddr_vm *)&peer;
  socklen_t length = sizeof peer;
  const int fd = accept4(integer(ctx, argv[0]), (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) return JS_NULL;
  if (fd >= 0 && peer.ss_family == AF_VSOCK && machine->svm_cid != VMADDR_CID_HOST) return close(fd), JS_NULL;
  return result(ctx, "accept4", fd);
}

/* receiveFd(socket): the descriptor in the next message, or null when there is none yet. */
FUNCTION(js_receive_fd) {
  char data[256], control[CMSG_SPACE(sizeof(int))];
  struct iovec vector = {.iov_base = data, .iov_len = sizeof data};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  const ssize_t count = recvmsg(integer(ctx, argv[0]), &message, MSG_CMSG_CLOEXEC);
  if (count < 0) return errno == EAGAIN ? JS_NULL : fail(ctx, "recvmsg", errno);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || header->cmsg_len < CMSG_LEN(sizeof(int))) return fail(ctx, "recvmsg", EPROTO);
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return JS_NewInt32(ctx, fd);
}

/*
 * openSocket(domain, type, protocol): non-blocking. A netlink socket takes from the kernel alone. A container with CAP_NET_ADMIN, whose network
 * namespace is the agent's, could answer in the kernel's place otherwise, or without end.
 */
FUNCTION(js_open_socket) {
  const int domain = integer(ctx, argv[0]), type = integer(ctx, argv[1]) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  const int fd = socket(domain, type, integer(ctx, argv[2]));
  if (fd < 0 || domain != AF_NETLINK || connect(fd, (const struct sockaddr *)&kernel, sizeof kernel) == 0) return result(ctx, "socket", fd);
  const int error = errno;
  close(fd);
  return fail(ctx, "connect", error);
}

/* receive(fd, size): one whole datagram, or null when there is none yet. */
FUNCTION(js_receive) {
  const size_t size = long_integer(ctx, argv[1]);
  uint8_t *block = malloc(size ? size : 1);
  if (!block) return fail(ctx, "recv", ENOMEM);
  ssize_t count;
  do count = recv(integer(ctx, argv[0]), block, size, MSG_TRUNC);
  while (count < 0 && errno == EINTR);
  if (count >= 0 && (size_t)count <= size) return owned_bytes(ctx, block, count);
  const int error = count < 0 ? errno : EMSGSIZE;
  free(block);
  return error == EAGAIN ? JS_NULL : fail(ctx, "recv", error);
}

FUNCTION(js_set_window) {
  struct winsize size = {.ws_row = integer(ctx, argv[1]), .ws_col = integer(ctx, argv[2])};
  return result(ctx, "TIOCSWINSZ", ioctl(integer(ctx, argv[0]), TIOCSWINSZ, &size));
}

/* A descriptor of the other side of a terminal, whose node may be in a mount namespace of a container. */
FUNCTION(js_open_peer) {
  return result(ctx, "TIOCGPTPEER", ioctl(integer(ctx, argv[0]), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("listenUnix", 1, js_listen_unix),
    JS_CFUNC_DEF("listenVsock", 1, js_listen_vsock),
    JS_CFUNC_DEF("accept", 1, js_accept),
    JS_CFUNC_DEF("receiveFd", 1, js_receive_fd),
    JS_CFUNC_DEF("openSocket", 3, js_open_socket),
    JS_CFUNC_DEF("receive", 2, js_receive),
    JS_CFUNC_DEF("openPeer", 1, js_open_peer),
    JS_CFUNC_DEF("setWindow", 3, js_set_window),
};
const struct subject socket_calls = SUBJECT(functions);
