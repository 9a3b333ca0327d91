package sealed

import "lifeboat/internal/blob"

// Errors a caller may test for. All are blob.ErrPermanent; those about an object's
// bytes are blob.ErrDamaged as well.
var (
	// ErrNotSealed: an object that is not encrypted at all.
	ErrNotSealed error = &failure{"object is not encrypted, though encryption is configured", true}
	// ErrNewerVersion: sealed in a format that a newer Lifeboat writes.
	ErrNewerVersion error = &failure{"sealed in a newer format: use a newer lifeboat", false}
	// ErrCorrupt: bytes were changed, added or moved here from another name.
	ErrCorrupt error = &failure{"sealed bytes were changed", true}
	// ErrTruncated: bytes are missing at the end.
	ErrTruncated error = &failure{"sealed object is cut short", true}
	// ErrKeyGone: the key object that an object needs is not in the store.
	ErrKeyGone error = &failure{"its data key is not in the store", true}
	// ErrNoOpener: the key is there and wrapped, and none of the configured openers can
	// unwrap it.
	ErrNoOpener error = &failure{"no configured key opens its data key", false}
	// ErrForeignRoot: the store's root key is not the one that is pinned, or its keys
	// were not made under it.
	ErrForeignRoot error = &failure{"the store's keys were not made under the expected root key", false}
)

type failure struct {
	text    string
	damaged bool
}

func (f *failure) Error() string { return f.text }

func (f *failure) Is(target error) bool {
	return target == blob.ErrPermanent || f.damaged && target == blob.ErrDamaged
}
