// Try, pictures: one of three drawings, or a picture of one's own.

import { field, fill, h } from './dom.js';
import { degraded, meter, source, stage } from './results.js';

/** The types that the API takes. */
const TYPES = ['image/jpeg', 'image/png', 'image/webp'];

const WIDTH = 480;
const HEIGHT = 320;

const DRAWINGS = [
  {
    name: 'A landscape',
    draw(pen) {
      const sky = pen.createLinearGradient(0, 0, 0, HEIGHT);
      sky.addColorStop(0, '#23395d');
      sky.addColorStop(0.6, '#e9a36b');
      sky.addColorStop(1, '#f6d9a8');
      pen.fillStyle = sky;
      pen.fillRect(0, 0, WIDTH, HEIGHT);
      pen.fillStyle = '#fff1cf';
      pen.beginPath();
      pen.arc(330, 190, 34, 0, 7);
      pen.fill();
      for (const [colour, base, height] of [['#5b5f7a', 210, 70], ['#3c4560', 240, 55], ['#232c40', 275, 40]]) {
        pen.fillStyle = colour;
        pen.beginPath();
        pen.moveTo(0, HEIGHT);
        for (let x = 0; x <= WIDTH; x += 8) pen.lineTo(x, base - height * Math.abs(Math.sin(x / 70 + base)) * 0.8);
        pen.lineTo(WIDTH, HEIGHT);
        pen.fill();
      }
    },
  },
  {
    name: 'A chat on a screen',
    draw(pen) {
      pen.fillStyle = '#f4f4f2';
      pen.fillRect(0, 0, WIDTH, HEIGHT);
      pen.fillStyle = '#0b5f58';
      pen.fillRect(0, 0, WIDTH, 44);
      pen.font = '600 18px sans-serif';
      pen.fillStyle = '#ffffff';
      pen.fillText('Family', 20, 29);
      pen.font = '16px sans-serif';
      const said = [['left', 'Dinner at seven?'], ['right', 'Yes! I bring the soup.'], ['left', 'And the bread, please'], ['right', 'Already in the oven']];
      said.forEach(([side, text], n) => {
        const width = pen.measureText(text).width + 28;
        const x = side === 'left' ? 20 : WIDTH - 20 - width;
        pen.fillStyle = side === 'left' ? '#ffffff' : '#d7ebe7';
        pen.beginPath();
        pen.roundRect(x, 62 + n * 60, width, 42, 14);
        pen.fill();
        pen.fillStyle = '#222222';
        pen.fillText(text, x + 14, 89 + n * 60);
      });
    },
  },
  {
    name: 'A page of text',
    draw(pen) {
      pen.fillStyle = '#fffdf8';
      pen.fillRect(0, 0, WIDTH, HEIGHT);
      pen.fillStyle = '#222222';
      pen.font = '700 24px serif';
      pen.fillText('How sourdough rises', 30, 50);
      pen.fillStyle = '#9c988f';
      for (let n = 0; n < 10; n += 1) pen.fillRect(30, 78 + n * 22, 420 - (n % 4) * 34 - (n === 9 ? 180 : 0), 9);
    },
  },
];

function drawing({ draw }) {
  const canvas = h('canvas', { width: WIDTH, height: HEIGHT, 'aria-hidden': 'true' });
  draw(canvas.getContext('2d'));
  return canvas;
}

const blob = (canvas) => new Promise((done) => canvas.toBlob(done, 'image/png'));

/** The panel; `user` gives the one who asks. */
export function detectPanel(user) {
  const shown = stage('Nothing looked at yet', 'Choose a drawing, or drop a picture of your own. It stays on this machine.');
  const status = h('p', { class: 'small', role: 'status' });
  const file = h('input', { type: 'file', accept: TYPES.join(), id: 'picture', onchange: () => file.files[0] && look(file.files[0], file) });
  const drop = h('div', { class: 'drop', ondragover: (event) => over(event, true), ondragleave: (event) => over(event, false), ondrop: dropped },
    field('A picture of your own', file, 'JPEG, PNG or WebP, up to 4 MiB. Or drop it here.'), status);

  function over(event, is) {
    event.preventDefault();
    drop.classList.toggle('over', is);
  }

  function dropped(event) {
    over(event, false);
    const [picture] = event.dataTransfer.files;
    if (picture) look(picture, file);
  }

  function look(picture, control) {
    // What the browser does not call a picture is sent all the same: the API says what it takes.
    const type = picture.type || 'application/octet-stream';
    fill(status, `Looking at ${picture.name ?? 'the drawing'}.`);
    const preview = h('img', { class: 'shown-picture', alt: 'The picture that was judged' });
    preview.src = URL.createObjectURL(picture);
    return shown.run(control, () => user().ask('images', '/v1/detect?application=console&device=browser&explain=true', { body: picture, type }), (answer) => finding(answer.body, preview)).finally(() => {
      file.value = '';
      fill(status);
    });
  }

  const drawings = h('div', { class: 'pictures' }, DRAWINGS.map((one) => {
    const canvas = drawing(one);
    const button = h('button', { type: 'button', onclick: async () => look(await blob(canvas), button) }, canvas, one.name);
    return button;
  }));
  const form = h('section', { class: 'card', 'aria-label': 'A picture' }, h('h2', {}, 'A picture to judge'), drawings, h('div', { class: 'below' }, drop));
  return h('div', { class: 'split' }, form, shown.element);
}

/** A name of the API in words: `selfHarm` is "self harm". */
const words = (name) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function finding(body, preview) {
  const { level, label, flagged, score, categories, source: from, failedOpen, nextCaptureMs, model } = body;
  return [
    degraded(body.degraded),
    preview,
    h('div', { class: 'verdict' },
      h('span', { class: `label ${flagged ? 'bad' : 'good'}` }, flagged ? 'Flag' : 'Safe'),
      h('p', { class: 'text' }, `Level ${level} of 3: ${label}`),
      h('p', { class: 'score' }, meter(score, flagged ? 'bad' : ''), `score ${score.toFixed(2)}`, h('span', {}, failedOpen ? source('default') : source(from)))),
    h('ul', { class: 'rows pairs below' }, Object.entries(categories).map(([name, value]) => h('li', {}, h('span', {}, words(name)), h('span', { class: 'soft' }, value.toFixed(3))))),
    h('p', { class: 'small soft below' }, `${model ? `Judged by ${model}. ` : ''}The next capture is due in ${nextCaptureMs / 1000} seconds.`),
  ];
}
