package numbered

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"

	"lifeboat/internal/blob"
)

// MaxPart is the size of every part but the last of its file, in bytes.
const MaxPart = 32 << 20

// Part is a piece of a file.
type Part struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
}

var digestShape = regexp.MustCompile(`^[0-9a-f]{64}$`)

// IsDigest tells whether text is a SHA-256 as manifests spell it.
func IsDigest(text string) bool { return digestShape.MatchString(text) }

// Possible tells whether Cut can have made the part. Only such a one may be read.
func (p Part) Possible() bool { return IsDigest(p.SHA256) && p.Size >= 1 && p.Size <= MaxPart }

// Cut gives keep what r holds, part by part, in parts of the buffer's size, which is from 1
// to MaxPart. The body is overwritten when keep has returned. An error of keep ends it.
func Cut(r io.Reader, buffer []byte, keep func(p Part, body []byte) error) error {
	for {
		n, err := io.ReadFull(r, buffer)
		if n > 0 {
			sum := sha256.Sum256(buffer[:n])
			if err := keep(Part{SHA256: hex.EncodeToString(sum[:]), Size: int64(n)}, buffer[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what is cut into parts: %w", err)
		}
	}
}

// ReadPart returns a part whose bytes are what its name says. Its error names the part, and
// wraps s.Kind.Damaged when it is missing or another.
func (s Series) ReadPart(ctx context.Context, store blob.Store, p Part) ([]byte, error) {
	name := s.Part(p.SHA256)
	body, err := blob.ReadAll(ctx, store, name, p.Size)
	if errors.Is(err, blob.ErrNotExist) || errors.Is(err, blob.ErrTooLarge) {
		return nil, fmt.Errorf("%s: %w: %w", name, s.Kind.Damaged, err)
	}
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != p.SHA256 || int64(len(body)) != p.Size {
		return nil, fmt.Errorf("%s: %w: its bytes are not what its name says", name, s.Kind.Damaged)
	}
	return body, nil
}
