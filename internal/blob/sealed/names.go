package sealed

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"lifeboat/internal/blob"
)

const (
	// contentFolder holds objects named by the SHA-256 of their content, as
	// chunks/<64 hex> or chunks/<first 2>/<64 hex>.
	contentFolder = "chunks/"
	// keyFolder is this package's own; the decorated store does not show it.
	keyFolder = "keys/"
	// topScope is that of names without a folder, rootScope the root key's.
	topScope  = "top"
	rootScope = "root"

	addressHex = 2 * sha256.Size
	sealedHex  = addressHex + 2*addressTag
	addressTag = 16 // bytes
)

// names encrypts content addresses, deterministically: a MAC of the address, and the
// address encrypted with that MAC as its initial value.
type names struct {
	mac   []byte
	block cipher.Block
}

func newNames(root *dataKey) (*names, error) {
	block, err := aes.NewCipher(derive(root.secret, []byte("encrypt"), labelNames))
	if err != nil {
		return nil, err
	}
	return &names{mac: derive(root.secret, []byte("mac"), labelNames), block: block}, nil
}

func (n *names) tag(address []byte) []byte {
	mac := hmac.New(sha256.New, n.mac)
	mac.Write(address)
	return mac.Sum(nil)[:addressTag]
}

func (n *names) seal(address []byte) string {
	out := append(n.tag(address), address...)
	cipher.NewCTR(n.block, out[:addressTag]).XORKeyStream(out[addressTag:], out[addressTag:])
	return hex.EncodeToString(out)
}

func (n *names) open(leaf string) (string, error) {
	raw, err := hex.DecodeString(leaf)
	if err != nil || len(leaf) != sealedHex || leaf != strings.ToLower(leaf) {
		return "", errors.New("not a sealed content address")
	}
	address := make([]byte, sha256.Size)
	cipher.NewCTR(n.block, raw[:addressTag]).XORKeyStream(address, raw[addressTag:])
	if !hmac.Equal(n.tag(address), raw[:addressTag]) {
		return "", fmt.Errorf("%w: its name was made under another key", ErrCorrupt)
	}
	return hex.EncodeToString(address), nil
}

// address splits a name in the content folder: whether it has a folder of two digits,
// and its last part. ok is false for names that are not of this form.
func address(name string) (spread bool, leaf string, ok bool) {
	rest, in := strings.CutPrefix(name, contentFolder)
	if !in {
		return false, "", false
	}
	folder, leaf, spread := strings.Cut(rest, "/")
	if !spread {
		folder, leaf = "", rest
	}
	if spread && (len(folder) != 2 || !strings.HasPrefix(leaf, folder)) {
		return false, "", false
	}
	if _, err := hex.DecodeString(leaf); err != nil || leaf != strings.ToLower(leaf) {
		return false, "", false
	}
	return spread, leaf, len(leaf) == addressHex || len(leaf) == sealedHex
}

func contentName(spread bool, leaf string) string {
	if spread {
		return contentFolder + leaf[:2] + "/" + leaf
	}
	return contentFolder + leaf
}

// storedName is the name that an object has in the inner store.
func (s *Store) storedName(ctx context.Context, name string) (string, error) {
	if err := errors.Join(blob.CheckName(name), ctx.Err()); err != nil {
		return "", err
	}
	if strings.HasPrefix(name, keyFolder) || strings.HasPrefix(name, rootScope+"/") {
		return "", fmt.Errorf("%w: %q is kept for keys", blob.ErrName, name)
	}
	spread, leaf, ok := address(name)
	if !ok {
		return name, nil
	}
	if len(leaf) != addressHex {
		return "", fmt.Errorf("%w: %q looks like a sealed name", blob.ErrName, name)
	}
	n, err := s.ring.names(ctx)
	if err != nil {
		return "", err
	}
	raw, _ := hex.DecodeString(leaf) // address has checked it
	return contentName(spread, n.seal(raw)), nil
}

// defaultPage is how many chunks List holds in memory; with more of them it reads the
// folder once for every page.
const defaultPage = 1 << 16

// List implements blob.Store. Chunks are stored in the order of their sealed names, so
// each page of them costs one list of all.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		w := lister{s: s, ctx: ctx, prefix: prefix, after: after, yield: yield}
		if err := w.run(); err != nil && !errors.Is(err, errStopped) {
			yield(blob.Info{}, fmt.Errorf("list %q: %w", prefix, err))
		}
	}
}

var errStopped = errors.New("the consumer stopped")

type lister struct {
	s             *Store
	ctx           context.Context //nolint:containedctx // lives for one List
	prefix, after string
	yield         func(blob.Info, error) bool
}

// run lists what is before the content folder, then that, then the rest.
func (w *lister) run() error {
	if !strings.HasPrefix(contentFolder, w.prefix) && !strings.HasPrefix(w.prefix, contentFolder) {
		return w.plain(w.after, "")
	}
	if err := w.plain(w.after, contentFolder); err != nil {
		return err
	}
	if err := w.content(); err != nil {
		return err
	}
	if strings.HasPrefix(w.prefix, contentFolder) {
		return nil
	}
	return w.plain(max(w.after, contentFolder+"~"), "") // '~' sorts after all bytes of names
}

// plain lists names that are stored as they are, up to the name end.
func (w *lister) plain(after, end string) error {
	if end != "" && strings.HasPrefix(w.prefix, end) {
		return nil
	}
	for info, err := range w.s.inner.List(w.ctx, w.prefix, after) {
		if err != nil {
			return err
		}
		if end != "" && info.Name >= end {
			return nil
		}
		if strings.HasPrefix(info.Name, keyFolder) {
			continue
		}
		if err := w.give(info); err != nil {
			return err
		}
	}
	return nil
}

func (w *lister) give(info blob.Info) error {
	info.Size = plainSize(info.Size)
	if !w.yield(info, nil) {
		return errStopped
	}
	return nil
}

// entry is a listed chunk, small, for there may be many.
type entry struct {
	name string
	size int64
	at   time.Time
}

func (w *lister) content() error {
	for last, more := w.after, true; more; {
		page, err := w.page(last)
		if err != nil {
			return err
		}
		if more = len(page) > w.s.ring.page; more {
			page = page[:w.s.ring.page]
		}
		for _, e := range page {
			last = e.name
			if err := w.ctx.Err(); err != nil {
				return err
			}
			if err := w.give(blob.Info{Name: e.name, Size: e.size, Created: e.at}); err != nil {
				return err
			}
		}
	}
	return nil
}

// page returns, sorted, the first entries after last; more than a page if there are more.
func (w *lister) page(last string) ([]entry, error) {
	var page []entry
	sorted := func() {
		slices.SortFunc(page, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	}
	for info, err := range w.s.inner.List(w.ctx, contentFolder, "") {
		if err != nil {
			return nil, err
		}
		name, err := w.s.plainName(w.ctx, info.Name)
		if err != nil {
			return nil, err
		}
		if name <= last || !strings.HasPrefix(name, w.prefix) {
			continue
		}
		page = append(page, entry{name, info.Size, info.Created})
		if len(page) > 2*w.s.ring.page {
			sorted()
			page = page[:w.s.ring.page+1]
		}
	}
	sorted()
	return page, nil
}

// plainName is the inverse of storedName in the content folder.
func (s *Store) plainName(ctx context.Context, stored string) (string, error) {
	spread, leaf, ok := address(stored)
	if !ok {
		return stored, nil
	}
	if len(leaf) == addressHex {
		return "", fmt.Errorf("%s: %w", stored, ErrNotSealed)
	}
	n, err := s.ring.names(ctx)
	if err != nil {
		return "", err
	}
	plain, err := n.open(leaf)
	if err != nil {
		return "", fmt.Errorf("%s: %w", stored, err)
	}
	return contentName(spread, plain), nil
}
