package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// The sealed format; see FORMAT.md, whose numbers a test compares with these.
const (
	magic      = "LFBTSEAL"
	version    = 1
	headerSize = 104
	frameSize  = 64 << 10 // plaintext bytes of every frame but the last
	tagSize    = 16
	maxLength  = 1 << 50 // bytes of plaintext; keeps sizes far from overflow

	keyIDSize = 16
	saltSize  = 32
)

const sealedFrame = frameSize + tagSize

// Labels keep what is derived from one key for one purpose apart from all others.
const (
	labelID     = "lifeboat sealed v1 key id"
	labelSalt   = "lifeboat sealed v1 salt"
	labelObject = "lifeboat sealed v1 object\x00" // and the object's name
	labelHeader = "lifeboat sealed v1 header"
	labelRing   = "lifeboat sealed v1 key object"
	labelNames  = "lifeboat sealed v1 names"
)

type keyID [keyIDSize]byte

// dataKey is the key of one scope.
type dataKey struct {
	id     keyID
	secret []byte // 32 bytes
	salt   []byte // derived: makes salts
}

func newDataKey(secret []byte) (*dataKey, error) {
	if len(secret) != 32 {
		return nil, fmt.Errorf("data key of %d bytes, want 32", len(secret))
	}
	k := &dataKey{secret: secret, salt: derive(secret, nil, labelSalt)}
	copy(k.id[:], derive(secret, nil, labelID))
	return k, nil
}

// derive returns 32 bytes. HKDF fails only for lengths that are not asked for here.
func derive(secret, salt []byte, label string) []byte {
	out, err := hkdf.Key(sha256.New, secret, salt, label, 32)
	if err != nil {
		panic(err)
	}
	return out
}

// header is the beginning of every sealed object.
type header struct {
	key    keyID
	salt   [saltSize]byte
	length int64 // of the plaintext
	mac    [sha256.Size]byte
}

func (h header) encode() []byte {
	b := make([]byte, 0, headerSize)
	b = append(b, magic...)
	b = append(b, version, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, h.key[:]...)
	b = append(b, h.salt[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.length))
	return append(b, h.mac[:]...)
}

// decodeHeader reads the first bytes of an object. Nothing in it is authenticated yet.
func decodeHeader(b []byte) (header, error) {
	if n := min(len(b), len(magic)); string(b[:n]) != magic[:n] || n == 0 {
		return header{}, ErrNotSealed
	}
	if len(b) > len(magic) && b[len(magic)] > version {
		return header{}, fmt.Errorf("%w: version %d, known is %d", ErrNewerVersion, b[len(magic)], version)
	}
	if len(b) < headerSize {
		return header{}, fmt.Errorf("%w: %d bytes, the header has %d", ErrTruncated, len(b), headerSize)
	}
	if b[8] != version || [7]byte(b[9:16]) != [7]byte{} {
		return header{}, fmt.Errorf("%w: version or reserved bytes", ErrCorrupt)
	}
	h := header{
		key:  keyID(b[16:32]),
		salt: [saltSize]byte(b[32:64]),
		mac:  [sha256.Size]byte(b[72:104]),
	}
	length := binary.BigEndian.Uint64(b[64:72])
	if length == 0 || length > maxLength {
		return header{}, fmt.Errorf("%w: a length of %d bytes", ErrCorrupt, length)
	}
	h.length = int64(length)
	return h, nil
}

// sealer seals and opens the frames of one object.
type sealer struct {
	aead cipher.AEAD
	aad  []byte // header and name
	last int64  // index of the last frame
}

// sealer derives the object's key, and either checks the header's MAC or sets it.
func (k *dataKey) sealer(name string, h *header, check bool) (*sealer, error) {
	secret := derive(k.secret, h.salt[:], labelObject+name)
	mac := hmac.New(sha256.New, derive(secret, nil, labelHeader))
	mac.Write(h.encode()[:headerSize-sha256.Size])
	sum := [sha256.Size]byte(mac.Sum(nil))
	if check && !hmac.Equal(sum[:], h.mac[:]) {
		return nil, fmt.Errorf("%w: the header, or the object has another name", ErrCorrupt)
	}
	h.mac = sum
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead, aad: append(h.encode(), name...), last: (h.length - 1) / frameSize}, nil
}

// nonce is unique within the object: the frame's index and whether it is the last.
func (s *sealer) nonce(frame int64) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:], uint64(frame))
	if frame == s.last {
		n[11] = 1
	}
	return n
}

// seal returns the sealed object. It is the same for the same key, name and body.
func (k *dataKey) seal(name string, body []byte) ([]byte, error) {
	h := header{key: k.id, length: int64(len(body))}
	mac := hmac.New(sha256.New, k.salt)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	mac.Write([]byte(name))
	mac.Write(body)
	h.salt = [saltSize]byte(mac.Sum(nil))
	s, err := k.sealer(name, &h, false)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, sealedSize(int64(len(body))))
	out = append(out, h.encode()...)
	for i := int64(0); i <= s.last; i++ {
		frame := body[i*frameSize : min((i+1)*frameSize, int64(len(body)))]
		out = s.aead.Seal(out, s.nonce(i), frame, s.aad)
	}
	return out, nil
}

// sealedSize is the size of a sealed object of so many bytes of plaintext.
func sealedSize(length int64) int64 {
	return headerSize + length + tagSize*((length+frameSize-1)/frameSize)
}

// plainSize is the inverse, 0 for sizes that no sealed object has. It believes what the
// store says of the size, so it is for display; reading finds the truth.
func plainSize(stored int64) int64 {
	if stored <= headerSize+tagSize || stored > sealedSize(maxLength) {
		return 0
	}
	rest := stored - headerSize
	frames := (rest + sealedFrame - 1) / sealedFrame
	if rest%sealedFrame != 0 && rest%sealedFrame <= tagSize {
		return 0
	}
	return rest - frames*tagSize
}
