package memory

import (
	"bytes"
	"slices"
)

// Names returns all names in order. Neither it nor the methods below pass through the
// plan or the counts: they are the hand of the disk, not of a caller.
func (s *Store) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.names)
}

// Bytes returns a copy of an object's bytes, and whether it exists.
func (s *Store) Bytes(name string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[name]
	return bytes.Clone(o.body), ok
}

// Tamper replaces an object's bytes by what change makes of a copy of them, and tells
// whether the object exists. Flip and Cut are ready-made changes.
func (s *Store) Tamper(name string, change func([]byte) []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[name]
	if ok {
		s.insert(name, bytes.Clone(change(bytes.Clone(o.body))))
	}
	return ok
}

// Flip inverts one bit, counted from the lowest of the first byte.
func Flip(bit int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[bit/8] ^= 1 << (bit % 8)
		return b
	}
}

// Cut keeps the first n bytes.
func Cut(n int) func([]byte) []byte {
	return func(b []byte) []byte { return b[:n] }
}

// Put stores any bytes under any name, over what is there.
func (s *Store) Put(name string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.insert(name, bytes.Clone(body))
}

// Remove loses an object.
func (s *Store) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(name)
}

// Swap exchanges the bytes of two objects that exist.
func (s *Store) Swap(a, b string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, y := s.objects[a].body, s.objects[b].body
	s.insert(a, y)
	s.insert(b, x)
}
