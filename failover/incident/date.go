package incident

import (
	"fmt"
	"time"
)

// Date is a day on the calendar, without a place: "by Friday". The zero Date is none.
type Date struct{ year, month, day int }

// ParseDate reads YYYY-MM-DD.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, fmt.Errorf("date %q: want YYYY-MM-DD", text)
	}
	return DateOf(t, time.UTC), nil
}

// DateOf is the day that an instant falls on in a place.
func DateOf(t time.Time, loc *time.Location) Date {
	y, m, d := t.In(loc).Date()
	return Date{y, int(m), d}
}

// IsZero reports whether there is no date.
func (d Date) IsZero() bool { return d == Date{} }

// Start is the first instant of the day in a place.
func (d Date) Start(loc *time.Location) time.Time {
	return time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, loc)
}

// End is the last instant of the day in a place.
func (d Date) End(loc *time.Location) time.Time {
	return time.Date(d.year, time.Month(d.month), d.day+1, 0, 0, 0, 0, loc).Add(-1)
}

func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.year, d.month, d.day) }

// MarshalText implements encoding.TextMarshaler.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Date) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDate(string(text))
	return err
}
