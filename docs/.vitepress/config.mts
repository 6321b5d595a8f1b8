import { posix } from 'node:path';
import { defineConfig } from 'vitepress';

/** What of the documentation is where in the sidebar; docs.mjs fails for a page that is missing here. */
const sidebar = [
  {
    text: 'Begin',
    items: [
      { text: 'Start here', link: '/' },
      { text: 'The homework, step by step', link: '/homework' },
      { text: 'Compose your own pipeline', link: '/compose' },
      { text: 'Add a source, a detector, a sink', link: '/extend' },
    ],
  },
  {
    text: 'The parts',
    items: [
      { text: 'Cameras', link: '/cameras' },
      { text: 'Detection', link: '/detection' },
      { text: 'Selection', link: '/selection' },
      { text: 'The bridge', link: '/bridge' },
      { text: 'Storing', link: '/storing' },
      { text: 'The archive', link: '/archive' },
    ],
  },
  {
    text: 'Promises',
    items: [
      { text: 'Delivery guarantees', link: '/delivery' },
      { text: 'Receipts', link: '/receipts' },
      { text: 'Secured connections', link: '/security' },
    ],
  },
  {
    text: 'Run it',
    items: [
      { text: 'Configuration', link: '/configuration' },
      { text: 'Operation', link: '/operations' },
      { text: 'Containers', link: '/containers' },
      { text: 'Tuning', link: '/tuning' },
    ],
  },
  {
    text: 'How it is made',
    items: [
      { text: 'Architecture', link: '/architecture' },
      { text: 'Decisions', link: '/decisions/' },
    ],
  },
];

const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, SITE_BASE: base = '/' } = process.env;
/** Where files of the repository that are no pages can be read, where that is known. */
const files = server && repository ? `${server}/${repository}/blob/main/` : undefined;

export default defineConfig({
  title: 'edge-relay',
  description: 'Faces from a camera at the edge to an object store in the cloud, over MQTT',
  base,
  cleanUrls: false,
  // TypeDoc writes it beside the pages, after they are built; docs.mjs looks whether it is there.
  ignoreDeadLinks: [/^\/api\//],
  themeConfig: {
    nav: [{ text: 'API', link: '/api/index.html', target: '_self' }],
    sidebar,
    outline: [2, 3],
    search: { provider: 'local' },
    ...(files && { socialLinks: [{ icon: 'github', link: `${server}/${repository}` }] }),
  },
  markdown: {
    languageAlias: { conf: 'ini' },
    config(markdown) {
      // Links out of docs/ lead to the repository, or are plain text where nobody knows where that is.
      markdown.core.ruler.push('links-out', ({ tokens, env }) => {
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.type === 'link_open' ? token.attrGet('href') : null;
          if (href === null || /^[a-z]+:|^[#/]/.test(href)) continue;
          const target = posix.join('docs', posix.dirname(env.relativePath), href);
          if (target.startsWith('docs/')) continue;
          token.attrSet('href', files ? files + target : '#');
        }
      });
    },
  },
});
