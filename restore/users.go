package restore

import "sync/atomic"

// users counts who still needs some memory and gives it back after the last.
type users struct {
	count   atomic.Int64
	release func()
}

// newUsers counts its caller as the first user.
func newUsers(release func()) *users {
	u := &users{release: release}
	u.count.Store(1)
	return u
}

// add counts one more and returns how it leaves.
func (u *users) add() (leave func()) {
	u.count.Add(1)
	return u.leave
}

func (u *users) leave() {
	if u.count.Add(-1) == 0 {
		u.release()
	}
}
