/** The server's dashboard as its templates write it, for looking at site.css. */
export function dashboard(main: HTMLElement, long: boolean): void {
  document.body.className = "page page--staff";
  const name = long ? "María de los Ángeles Fernández-Echeverría Bustamante" : "Rosa Lindqvist";
  main.innerHTML = `
    <div><h1>Today</h1><p class="lead">Sunday, 22 November</p></div>
    <ul class="appointments" id="today">
      <li class="appointment"><span class="appointment__time">8:40</span><span class="appointment__who">Ines Duarte<small>Skin check</small></span><span class="appointment__status"><span class="badge badge--done">Done</span></span><a class="button button--quiet" href="#">Open</a></li>
      <li class="appointment appointment--now"><span class="appointment__time">9:00<small>20 minutes</small></span><span class="appointment__who">${name}<small>Follow-up after a change of blood pressure medicine</small></span><span class="appointment__status"><span class="badge badge--waiting">Waiting for 3 minutes</span></span><a class="button button--primary" href="#">Open visit</a></li>
      <li class="appointment"><span class="appointment__time">9:30</span><span class="appointment__who">Tomasz Nowak<small>New patient</small></span><span class="appointment__status"><span class="badge badge--live">In the visit</span></span><a class="button" href="#">Open</a></li>
      <li class="appointment"><span class="appointment__time">10:00</span><span class="appointment__who">Jun Park</span><span class="appointment__status"><span class="badge">Booked</span></span><a class="button" href="#">Open</a></li>
    </ul>
    <div class="summary" tabindex="-1"><h2>There is a problem</h2><ul><li><a href="#x">Enter your e-mail address</a></li></ul></div>
    <form class="card content--narrow"><h2>Sign in</h2>
      <div class="field field--error"><label for="x">E-mail</label><span class="field__error">Enter your e-mail address</span><input id="x" type="email" autocomplete="username"></div>
      <div class="field"><label for="y">Password</label><span class="field__hint">At least 12 characters</span><input id="y" type="password" autocomplete="current-password"></div>
      <button class="button button--primary">Sign in</button></form>
    <div class="notice notice--warn"><p>Your session ends in five minutes.</p></div>
    <div class="empty"><p>No visits today. Enjoy the quiet.</p><a class="button" href="#">Add an appointment</a></div>`;
}
