'use strict';
// Sliders show frames of the strips, and ticks become a setting. Without this the strips remain.
(() => {
  const minus = (text) => text.replace('-', '\u2212');
  for (const part of document.querySelectorAll('[data-script]')) part.hidden = false;
  document.body.classList.remove('no-frames');

  for (const latent of document.querySelectorAll('.latent')) {
    const [slider, canvas] = [latent.querySelector('input[type=range]'), latent.querySelector('canvas')];
    const strip = latent.querySelector('img.strip');
    const [said, here] = [latent.querySelector('output'), latent.querySelector('.here')];
    const steps = slider.dataset.steps.split(' ').map(Number);
    const reach = steps[steps.length - 1];
    const draw = () => {
      const side = canvas.width;
      if (strip.naturalWidth) {
        canvas.getContext('2d').drawImage(
          strip, Number(slider.value) * side, 0, side, side, 0, 0, side, side);
      }
    };
    const show = () => {
      const step = steps[Number(slider.value)];
      const text = `${minus((step > 0 ? '+' : '') + step)} standard deviations`;
      said.textContent = text;
      slider.setAttribute('aria-valuetext', text);
      canvas.setAttribute('aria-label', `Decoded face, latent ${latent.dataset.latent} at ${text}`);
      const place = `${50 + 50 * step / reach}%`;
      here.setAttribute('x1', place);
      here.setAttribute('x2', place);
      draw();
    };
    slider.addEventListener('input', show);
    strip.addEventListener('load', draw);
    show();
  }

  const setting = document.getElementById('setting');
  const told = document.getElementById('told');
  const ticks = [...document.querySelectorAll('.latent input[type=checkbox]')];
  const update = () => {
    const chosen = ticks.filter((tick) => tick.checked).map((tick) => Number(tick.value));
    chosen.sort((a, b) => a - b);
    setting.textContent = `--set 'resampling.latents=[${chosen.join(',')}]'`;
    told.textContent = chosen.length
      ? `${chosen.length} chosen: training balances ${chosen.length > 1 ? 'these latents' : 'this latent'} only.`
      : 'None chosen: training balances every active latent.';
  };
  for (const tick of ticks) tick.addEventListener('change', update);
  update();

  const copied = document.getElementById('copied');
  const selectIt = () => {
    const range = document.createRange();
    range.selectNodeContents(setting);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  document.getElementById('copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(setting.textContent);
      copied.textContent = 'Copied.';
    } catch {  // no leave to use the clipboard
      selectIt();
      copied.textContent = document.execCommand('copy') ? 'Copied.' : 'Selected: copy it with the keyboard.';
    }
  });
})();
