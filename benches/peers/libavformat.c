/* libavformat beside the others: counts frames and bytes of a file that lies in memory, touches stream, time and
 * first byte of each, and prints the best and the median nanoseconds a frame.
 *
 *   cargo run --release -- write /tmp/kvs.mkv
 *   cc -O2 libavformat.c -o /tmp/libavformat $(pkg-config --cflags --libs libavformat libavcodec libavutil)
 *   /tmp/libavformat /tmp/kvs.mkv
 */
#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, PIECE = 64 * 1024 };

struct memory {
    const uint8_t *bytes;
    int64_t at, len;
};

static int read_piece(void *opaque, uint8_t *out, int len) {
    struct memory *memory = opaque;
    int64_t left = memory->len - memory->at;
    if (left == 0) return AVERROR_EOF;
    if (len > left) len = (int)left;
    memcpy(out, memory->bytes + memory->at, len);
    memory->at += len;
    return len;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file || fseek(file, 0, SEEK_END)) return fprintf(stderr, "usage: libavformat FILE\n"), 2;
    long len = ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(len);
    if (!bytes || fread(bytes, 1, len, file) != (size_t)len) return 1;
    av_log_set_level(AV_LOG_QUIET);
    double times[ROUNDS];
    long frames = 0, total = 0;
    uint64_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec start, end;
        struct memory memory = {bytes, 0, len};
        clock_gettime(CLOCK_MONOTONIC, &start);
        frames = total = 0;
        AVFormatContext *context = avformat_alloc_context();
        context->pb = avio_alloc_context(av_malloc(PIECE), PIECE, 0, &memory, read_piece, NULL, NULL);
        context->flags |= AVFMT_FLAG_NOFILLIN | AVFMT_FLAG_NOPARSE;
        if (avformat_open_input(&context, "", av_find_input_format("matroska"), NULL)) return 1;
        AVPacket *packet = av_packet_alloc();
        while (av_read_frame(context, packet) >= 0) {
            frames++;
            total += packet->size;
            sum += packet->stream_index ^ packet->pts ^ packet->data[0];
            av_packet_unref(packet);
        }
        av_packet_free(&packet);
        AVIOContext *io = context->pb;
        avformat_close_input(&context);
        av_freep(&io->buffer);
        avio_context_free(&io);
        clock_gettime(CLOCK_MONOTONIC, &end);
        times[round] = ((end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec)) / (frames ? frames : 1);
    }
    qsort(times, ROUNDS, sizeof *times, compare);
    printf("libavformat %s: best %.1f, median %.1f ns a frame, %ld frames, %ld bytes (%llx)\n",
           AV_STRINGIFY(LIBAVFORMAT_VERSION_MAJOR), times[0], times[ROUNDS / 2], frames, total,
           (unsigned long long)sum);
    return 0;
}
