package sealed

import (
	"context"
	"errors"
	"fmt"
	"io"

	"lifeboat/internal/blob"
)

// near is how far into an object a range may begin that is read from the object's
// beginning, to save a request for the header alone.
const near = 4 * frameSize

// Get implements blob.Store. It reads whole frames, checks each, and gives out only
// what has been checked. Its errors are blob.ErrDamaged if the bytes are not right.
func (s *Store) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	stored, err := s.storedName(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	if off < 0 {
		return nil, fmt.Errorf("get %s: negative offset %d", name, off)
	}
	r, err := s.open(ctx, name, stored, plainRange{off, n})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	return r, nil
}

// plainRange is n bytes of plaintext from off; n < 0 is to the end.
type plainRange struct{ off, n int64 }

// sealedEnd is the end, exclusive, of the stored bytes that hold r, and one byte more,
// to see whether anything follows the last frame; -1 is the object's end.
func (r plainRange) sealedEnd() int64 {
	if r.n < 0 || r.off > maxLength || r.n > maxLength {
		return -1
	}
	frames := (r.off + r.n + frameSize - 1) / frameSize
	return headerSize + frames*sealedFrame + 1
}

func (s *Store) open(ctx context.Context, name, stored string, r plainRange) (io.ReadCloser, error) {
	first := r.off / frameSize
	length := int64(headerSize) // of the first request
	if r.off < near && r.n != 0 {
		first = 0
		length = r.sealedEnd()
	}
	inner, err := s.inner.Get(ctx, stored, 0, length)
	if err != nil {
		return nil, err
	}
	h, sealer, err := s.readHeader(ctx, name, inner)
	if err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	end := h.length
	if r.n >= 0 {
		end = min(end, r.off+min(r.n, h.length))
	}
	if r.off >= end {
		return &reader{inner: inner}, nil
	}
	if length == headerSize {
		if err := inner.Close(); err != nil {
			return nil, err
		}
		from := headerSize + first*sealedFrame
		to := plainRange{r.off, end - r.off}.sealedEnd()
		if inner, err = s.inner.Get(ctx, stored, from, to-from); err != nil {
			return nil, err
		}
	}
	return &reader{
		name: name, inner: inner, sealer: sealer, length: h.length,
		frame: first, at: first * frameSize, off: r.off, end: end,
	}, nil
}

// readHeader reads and authenticates the header.
func (s *Store) readHeader(ctx context.Context, name string, r io.Reader) (header, *sealer, error) {
	buf := make([]byte, headerSize)
	n, err := io.ReadFull(r, buf)
	if err != nil && !isEnd(err) {
		return header{}, nil, err
	}
	h, err := decodeHeader(buf[:n])
	if err != nil {
		return header{}, nil, err
	}
	key, err := s.ring.find(ctx, scopeOf(name), h.key)
	if err != nil {
		return header{}, nil, err
	}
	sealer, err := key.sealer(name, &h, true)
	return h, sealer, err
}

// reader gives out the plaintext [off, end) of one object.
type reader struct {
	name   string
	inner  io.ReadCloser
	sealer *sealer
	length int64 // of the whole plaintext

	frame    int64 // index of the next frame
	at       int64 // plaintext offset of that frame
	off, end int64 // still to be given out

	buf   []byte // of a sealed frame
	plain []byte // checked bytes not given out yet, within buf
	err   error
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.plain) == 0 {
		if r.err == nil && r.off >= r.end {
			r.err = io.EOF
		}
		if r.err == nil {
			r.err = r.next()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	r.off += int64(n)
	return n, nil
}

// next reads and checks a frame.
func (r *reader) next() error {
	size := min(frameSize, r.length-r.at) + tagSize
	if r.buf == nil {
		r.buf = make([]byte, size)
	}
	buf := r.buf[:size]
	n, err := io.ReadFull(r.inner, buf)
	if isEnd(err) {
		return fmt.Errorf("read %s: %w: %d of %d bytes of frame %d", r.name, ErrTruncated, n, size, r.frame)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", r.name, err)
	}
	plain, err := r.sealer.aead.Open(buf[:0], r.sealer.nonce(r.frame), buf, r.sealer.aad)
	if err != nil {
		return fmt.Errorf("read %s: %w: frame %d", r.name, ErrCorrupt, r.frame)
	}
	if r.frame == r.sealer.last {
		if err := r.nothingFollows(); err != nil {
			return err
		}
	}
	from, to := max(r.off-r.at, 0), min(r.end-r.at, int64(len(plain)))
	r.frame++
	r.at += int64(len(plain))
	if from < to {
		r.plain = plain[from:to]
	}
	return nil
}

// isEnd tells the end of the inner reader, as io.ReadFull reports it, from a connection
// that broke: stores wrap those.
func isEnd(err error) bool {
	return err == io.EOF || err == io.ErrUnexpectedEOF //nolint:errorlint // bare ones alone
}

func (r *reader) nothingFollows() error {
	var extra [1]byte
	n, err := io.ReadFull(r.inner, extra[:])
	if n > 0 {
		return fmt.Errorf("read %s: %w: bytes follow the end", r.name, ErrCorrupt)
	}
	if !isEnd(err) {
		return fmt.Errorf("read %s: %w", r.name, err)
	}
	return nil
}

func (r *reader) Close() error { return r.inner.Close() }

// Stat implements blob.Store. The size follows from the stored size.
func (s *Store) Stat(ctx context.Context, name string) (blob.Info, error) {
	stored, err := s.storedName(ctx, name)
	if err != nil {
		return blob.Info{}, fmt.Errorf("stat %s: %w", name, err)
	}
	info, err := s.inner.Stat(ctx, stored)
	if err != nil {
		return blob.Info{}, err
	}
	return blob.Info{Name: name, Size: plainSize(info.Size), Created: info.Created}, nil
}
