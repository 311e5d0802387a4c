package main

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
)

// digest may be asked while client-go's own copying still goes on: it does not wait for stdin when the command has ended.
type digest struct {
	lock sync.Mutex
	hash hash.Hash
}

func newDigest() *digest { return &digest{hash: sha256.New()} }

func (d *digest) Write(p []byte) (int, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	return d.hash.Write(p)
}

func (d *digest) String() string {
	d.lock.Lock()
	defer d.lock.Unlock()
	return hex.EncodeToString(d.hash.Sum(nil))
}

// source yields n bytes that no compressor or off-by-one would leave equal, and remembers their digest.
type source struct {
	left   int64
	block  []byte
	offset int
	digest *digest
}

func newSource(n int64) *source {
	generator := rand.New(rand.NewPCG(1, 2))
	block := make([]byte, 1<<20-7)
	for i := range block {
		block[i] = byte(generator.Uint32())
	}
	return &source{left: n, block: block, digest: newDigest()}
}

func (s *source) Read(into []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if int64(len(into)) > s.left {
		into = into[:s.left]
	}
	n := copy(into, s.block[s.offset:])
	s.digest.Write(into[:n])
	s.offset = (s.offset + n) % len(s.block)
	s.left -= int64(n)
	return n, nil
}

// sink counts and digests; the beginning is kept as text.
type sink struct {
	bytes  int64
	digest *digest
	text   strings.Builder
}

func newSink() *sink { return &sink{digest: newDigest()} }

func (s *sink) Write(p []byte) (int, error) {
	s.bytes += int64(len(p))
	s.digest.Write(p)
	if room := 16384 - s.text.Len(); room > 0 {
		s.text.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
