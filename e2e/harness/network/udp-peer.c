/* UDP for pods, which busybox has not: `udp-peer PORT` sends back what it gets, `udp-peer PORT ADDRESS TEXT` asks. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int serve(int port) {
  struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons(port)}, peer;
  const int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0) return perror("bind"), 1;
  char data[65536];
  for (;;) {
    socklen_t length = sizeof peer;
    const ssize_t count = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&peer, &length);
    if (count >= 0) sendto(fd, data, count, 0, (struct sockaddr *)&peer, length);
  }
}

/* Prints the answer. A datagram may be lost, so it asks some times. */
static int ask(const char *port, const char *address, const char *text) {
  struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST}, *peer;
  if (getaddrinfo(address, port, &hints, &peer) != 0) return fprintf(stderr, "%s: no address\n", address), 1;
  const int fd = socket(peer->ai_family, SOCK_DGRAM, 0);
  const struct timeval second = {.tv_sec = 1};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
  if (connect(fd, peer->ai_addr, peer->ai_addrlen) < 0) return perror("connect"), 1;
  for (int tries = 0; tries < 20; tries++) {
    char data[65536];
    send(fd, text, strlen(text), 0);
    const ssize_t count = recv(fd, data, sizeof data, 0);
    if (count >= 0) return write(1, data, count) == count ? 0 : 1;
    sleep(1);
  }
  return fprintf(stderr, "no answer\n"), 1;
}

int main(int argc, char **argv) {
  if (argc == 2) return serve(atoi(argv[1]));
  if (argc == 4) return ask(argv[1], argv[2], argv[3]);
  return fprintf(stderr, "usage: udp-peer PORT [ADDRESS TEXT]\n"), 2;
}
