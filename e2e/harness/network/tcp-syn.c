/* The first segments of TCP connections. `tcp-syn send PORT ADDRESS PEER-PORT SECONDS` tries one over IPv4 from a port of its own for so
 * long. `tcp-syn watch LINK` prints a line for each segment with SYN on the link, as it passes: source port, destination port, sequence
 * number, acknowledgement number, microseconds of the clock. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int try_to_connect(char **words) {
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(atoi(words[0]))}, peer = own;
  peer.sin_port = htons(atoi(words[2]));
  if (inet_pton(AF_INET, words[1], &peer.sin_addr) != 1) return fprintf(stderr, "%s: no address\n", words[1]), 1;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0) return perror("bind"), 1;
  if (connect(fd, (struct sockaddr *)&peer, sizeof peer) < 0 && errno != EINPROGRESS) return perror("connect"), 1;
  sleep(atoi(words[3]));
  return 0;
}

static void print_syn(const unsigned char *data, ssize_t length) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const struct iphdr *packet = (const struct iphdr *)data;
  if (length < (ssize_t)sizeof *packet || packet->version != 4 || packet->protocol != IPPROTO_TCP) return;
  const struct tcphdr *segment = (const struct tcphdr *)(data + packet->ihl * 4);
  if (length < packet->ihl * 4 + (ssize_t)sizeof *segment || !segment->syn) return;
  printf("%u %u %u %u %llu\n", ntohs(segment->source), ntohs(segment->dest), ntohl(segment->seq), ntohl(segment->ack_seq),
         now.tv_sec * 1000000ull + now.tv_nsec / 1000);
}

static int watch(const char *name) {
  const struct sockaddr_ll link = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(name)};
  const int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
  if (fd < 0 || bind(fd, (const struct sockaddr *)&link, sizeof link) < 0) return perror(name), 1;
  puts("ready");
  for (;;) {
    fflush(stdout);
    unsigned char data[2048];
    print_syn(data, recv(fd, data, sizeof data, 0));
  }
}

int main(int count, char **words) {
  if (count == 6 && strcmp(words[1], "send") == 0) return try_to_connect(words + 2);
  if (count == 3 && strcmp(words[1], "watch") == 0) return watch(words[2]);
  return fprintf(stderr, "usage: tcp-syn send PORT ADDRESS PEER-PORT SECONDS | watch LINK\n"), 2;
}
