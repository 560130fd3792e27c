//go:build !mutate_timertoken

package mutate

// TimerWithoutToken has a timeout take back whatever claim is open when it gets to it.
const TimerWithoutToken = false
