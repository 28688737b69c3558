// Keeps the end of an answer in view, unless the reader has scrolled away.

export class Follower {
  constructor(scroller, button) {
    this.scroller = scroller;
    this.button = button;
    this.isFollowing = true;
    scroller.addEventListener('scroll', () => this.look(), { passive: true });
    new ResizeObserver(() => this.follow()).observe(scroller);
    button.addEventListener('click', () => this.toEnd());
  }

  look() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.isFollowing = scrollHeight - scrollTop - clientHeight < 48;
    this.button.hidden = this.isFollowing;
  }

  // Scrolls to the end if the reader was there.
  follow() {
    if (this.isFollowing) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  toEnd() {
    this.isFollowing = true;
    this.button.hidden = true;
    this.follow();
  }
}
