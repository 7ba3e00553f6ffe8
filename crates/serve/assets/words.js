// The words of the page, in English and Chinese, and how numbers are written.
(function (app) {
  "use strict";

  const words = {
    en: {
      skip: "Skip to content", runs: "Runs", explore: "Explore", language: "中文", languageLabel: "切换到中文",
      themeAuto: "Theme: automatic", themeLight: "Theme: light", themeDark: "Theme: dark",
      running: "running", finished: "finished", stopped: "stopped",
      noRuns: "No runs yet", noRunsText: "Start a training in another terminal. It appears here by itself.",
      runsText: "{n} runs, the newest first", oneRun: "1 run", search: "Filter runs", compare: "Compare {n} runs", select: "Select {id} to compare",
      compareHint: "Select two or more runs to see them in one chart.", compareTitle: "Runs compared", back: "All runs",
      epoch: "Epoch", epochOf: "epoch {a} of {b}", epochN: "epoch {n}", before: "before training", stepN: "step {n}",
      faces: "Faces", facesAlt: "Sheet of generated faces, epoch {n}", noFaces: "The first faces appear here before the first step.",
      play: "Play", pause: "Pause", follow: "Follow the newest", twoEpochs: "Two epochs side by side", oneEpoch: "One epoch", epochSlider: "Epoch shown", epochSliderB: "Epoch shown on the right",
      keys: "Keys: ← → one epoch, Home and End, space plays.",
      health: "Health", balanced: "D and G are in balance.", balancedVaried: "D and G are in balance. The faces are {n}% as varied as the pictures.", noHealth: "Judged after each epoch.", healthOf: "after epoch {n}",
      noise: "The faces are still noise: usual in the first few hundred steps. If it lasts, take more and smaller steps or a smaller learning rate.",
      grain: "The faces have grain where the pictures are smooth. More steps and an average of G (--ema) smooth it.",
      checkerboard: "The faces have a checkerboard pattern. More steps or --init smooth take it away.",
      blurred: "The faces are blurred: their edges are {sharpness}% as sharp as the pictures'. More steps sharpen them.",
      few_kinds: "The faces are of few kinds (recall {recall}, other pictures {floor}). Take more steps, or --augment translation if there are few pictures.",
      unlike: "Hardly any face is like the pictures yet (precision {precision}, other pictures {floor}). Take more steps.",
      copies: "Most faces are copies of training pictures. Use more pictures, or --augment translation.",
      discriminator_wins: "D is winning outright, so G learns little. Use more pictures, or make D's task harder.",
      collapsed: "The faces are all alike ({diversity}% as varied as the pictures). If it lasts, try a smaller learning rate or another seed.",
      flat: "The losses have been flat for {epochs} epochs: the training has settled, or never begun.",
      curves: "Curves", losses: "Losses", outputs: "What D says", speed: "Images a second", measures: "Distance to the pictures", precisionRecall: "Precision and recall",
      dLoss: "D loss", gLoss: "G loss", dX: "D(x), real pictures", dGz: "D(G(z)), faces", ips: "images/s", swd: "SWD × 1000", swdFloor: "real pictures", precision: "precision", recall: "recall",
      log: "Logarithmic", resetZoom: "Whole run", zoomHint: "Drag across a chart to zoom in. The band is the minimum and maximum of {n} steps.", zoomHintOne: "Drag across a chart to zoom in. Each point is one step.", step: "Step",
      noCurves: "The curves begin with the first step.", chartLabel: "Chart: {name}. Last values: {values}.",
      data: "Pictures", builtIn: "built-in faces", pictures: "{n} pictures", oneLeftOut: "1 file left out", leftOut: "{n} files left out", nothingLeftOut: "Nothing was left out.", noReport: "This run has no report on its pictures; dcgan check makes one.",
      contactSheet: "Some of the pictures, as the network sees them", formats: "Formats", sizes: "Sizes", channels: "Channels", identical: "{n} groups of identical pictures", tiny: "{n} tiny", oblong: "{n} very oblong", file: "File", reason: "Reason", more: "and {n} more",
      config: "Configuration", sessions: "Sessions", copy: "Copy", copied: "Copied", commands: "Commands", again: "Repeat this run", resume: "Go on with it", drawMore: "Draw new faces",
      disk: "On disk", diskText: "{a}, {b} free", left: "Time left", soon: "about {t}", speedLabel: "Speed", speedText: "{n} images/s", started: "Started",
      openExplorer: "Explore faces", liveLost: "The connection is lost. Trying again.", liveBack: "Connected again.", rewound: "The run went back to step {n}.",
      loading: "Loading", error: "That did not work", notFound: "There is nothing here", retry: "Try again", home: "Go to the runs",
      noModel: "No generator yet", noModelText: "A run saves its generator with the first checkpoint, at the end of an epoch. Then its faces can be explored here.",
      model: "Generator", best: "{id}, best measures",
      face: "Face", faceAlt: "Generated face: {what}", seed: "seed {n}", custom: "changed noise", mixOf: "mix of {n} faces", sumOf: "arithmetic of {n} faces",
      trunc: "Truncation", truncHelp: "Below 1, faces are more typical and more alike.", undo: "Undo", redo: "Redo", hold: "Hold", reset: "Reset changes", random: "Another seed", link: "Copy link", linkCopied: "The link is copied.",
      download: "Download", scale: "Scale", picture: "PNG", noiseFile: "Noise (.npy)", command: "Command", commandNpy: "With the noise file in the current folder:",
      seeds: "Seeds", seedsHelp: "Choose a face to start from. Hold several to mix them.", prev: "Previous seeds", next: "Next seeds", goSeed: "Show seeds from",
      directions: "Directions", directionsHelp: "The strongest directions of the first layer. Rename one by its name.", direction: "Direction {n}", moreDirections: "Show {n} more", fewer: "Show fewer", rename: "Name of direction {n}", amount: "Amount of {name}",
      numbers: "Noise numbers", numbersHelp: "Choose one of the {n} numbers and change it.", number: "Number", value: "Value of number {n}", clear: "Clear",
      held: "Held faces", heldHelp: "Hold two to four faces, then mix them on the pad.", noHeld: "Nothing is held yet.", use: "Show {what}", drop: "Drop {what}", holdFull: "Up to four faces can be held. Drop one first.",
      mix: "Mix", mixHelp: "Drag the point between the faces, or move it by the arrow keys.", pad: "Mixing pad: arrow keys move the point between the held faces", padValue: "{x}% right, {y}% down",
      arithmetic: "Arithmetic", arithmeticHelp: "Face A minus face B plus face C.", needHeld: "Hold {n} faces first.", showResult: "Show A − B + C", minus: "−", plus: "+",
      walk: "Walk", walkHelp: "A walk through the held faces as an animation.", frames: "Frames between faces", fps: "Frames a second", loop: "Back to the first face", makeWalk: "Make the walk", walkAlt: "Walk between the held faces", saveGif: "Save GIF", saveApng: "Save APNG",
      light: "light", dark: "dark",
      minutes: "{n} min", hours: "{h} h {m} min", seconds: "{n} s", resumed: "resumed {n} times",
    },
    zh: {
      skip: "跳到正文", runs: "训练", explore: "探索", language: "English", languageLabel: "Switch to English",
      themeAuto: "主题：自动", themeLight: "主题：浅色", themeDark: "主题：深色",
      running: "进行中", finished: "已完成", stopped: "已停止",
      noRuns: "还没有训练记录", noRunsText: "在另一个终端里开始训练，它会自动出现在这里。",
      runsText: "共 {n} 次训练，最新的在前", oneRun: "1 次训练", search: "按名称筛选", compare: "对比 {n} 次训练", select: "选中 {id} 用于对比",
      compareHint: "选中两次或更多训练，就能在同一张图里对比。", compareTitle: "训练对比", back: "全部训练",
      epoch: "轮次（epoch）", epochOf: "第 {a} 轮，共 {b} 轮", epochN: "第 {n} 轮", before: "训练前", stepN: "第 {n} 步",
      faces: "头像", facesAlt: "第 {n} 轮后生成的头像", noFaces: "训练的第一步之前会先画一批头像，显示在这里。",
      play: "播放", pause: "暂停", follow: "跟随最新一轮", twoEpochs: "并排对比两轮", oneEpoch: "只看一轮", epochSlider: "选择轮次", epochSliderB: "选择右侧的轮次",
      keys: "快捷键：← → 切换轮次，Home 和 End 跳到首尾，空格播放。",
      health: "训练状况", balanced: "D 与 G 处于平衡状态。", balancedVaried: "D 与 G 处于平衡状态。头像的多样性是训练图片的 {n}%。", noHealth: "每轮结束后给出评估。", healthOf: "第 {n} 轮之后",
      noise: "头像目前还是噪声，这在最初几百步里很常见。如果一直如此，请减小批大小并增加步数，或调低学习率。",
      grain: "图片平滑的地方，头像却有颗粒感。增加步数，或使用 G 的滑动平均（--ema），可以减轻。",
      checkerboard: "头像有棋盘格纹理。增加步数，或使用 --init smooth，可以消除。",
      blurred: "头像偏模糊：边缘锐度只有训练图片的 {sharpness}%。增加步数会变清晰。",
      few_kinds: "头像的种类太少（召回率 {recall}，真实图片之间为 {floor}）。请增加步数；图片较少时可加 --augment translation。",
      unlike: "几乎没有头像接近训练图片（精确率 {precision}，真实图片之间为 {floor}）。请增加步数。",
      copies: "大多数头像是训练图片的翻版。请增加图片，或使用 --augment translation。",
      discriminator_wins: "D 已完全占上风，G 几乎学不到东西。请增加图片，或让 D 的任务更难。",
      collapsed: "头像几乎都一样（多样性只有训练图片的 {diversity}%）。如果一直如此，请调低学习率或换一个种子。",
      flat: "损失已有 {epochs} 轮没有变化：训练要么已经收敛，要么还没有起步。",
      curves: "曲线", losses: "损失", outputs: "D 的输出", speed: "每秒图片数", measures: "与训练图片的距离", precisionRecall: "精确率与召回率",
      dLoss: "D 损失", gLoss: "G 损失", dX: "D(x)，真实图片", dGz: "D(G(z))，生成头像", ips: "张/秒", swd: "SWD × 1000", swdFloor: "真实图片之间", precision: "精确率", recall: "召回率",
      log: "对数坐标", resetZoom: "显示全程", zoomHint: "在图上拖动可放大。色带是每 {n} 步内最小值到最大值的范围。", zoomHintOne: "在图上拖动可放大。每个点是一步。", step: "步数",
      noCurves: "训练完成第一步后，这里开始画曲线。", chartLabel: "图表：{name}。最新值：{values}。",
      data: "训练图片", builtIn: "内置头像", pictures: "{n} 张图片", oneLeftOut: "有 1 个文件没有使用", leftOut: "有 {n} 个文件没有使用", nothingLeftOut: "所有文件都用上了。", noReport: "这次训练没有图片报告，可以用 dcgan check 查看图片的情况。",
      contactSheet: "部分训练图片（网络实际看到的样子）", formats: "格式", sizes: "尺寸", channels: "通道", identical: "{n} 组重复图片", tiny: "{n} 张过小", oblong: "{n} 张过于狭长", file: "文件", reason: "原因", more: "还有 {n} 个",
      config: "配置", sessions: "运行记录", copy: "复制", copied: "已复制", commands: "命令", again: "重复这次训练", resume: "继续训练", drawMore: "画新的头像",
      disk: "占用磁盘", diskText: "{a}，剩余 {b}", left: "剩余时间", soon: "约 {t}", speedLabel: "速度", speedText: "{n} 张/秒", started: "开始时间",
      openExplorer: "探索头像", liveLost: "连接已断开，正在重连。", liveBack: "已重新连接。", rewound: "训练退回到了第 {n} 步。",
      loading: "正在加载", error: "操作失败", notFound: "找不到这个页面", retry: "重试", home: "回到训练列表",
      noModel: "还没有生成器", noModelText: "训练会在第一个检查点（一轮结束时）保存生成器，之后就可以在这里探索头像。",
      model: "生成器", best: "{id}（指标最佳）",
      face: "头像", faceAlt: "生成的头像：{what}", seed: "种子 {n}", custom: "改过的噪声", mixOf: "{n} 个头像的混合", sumOf: "{n} 个头像的运算",
      trunc: "截断", truncHelp: "小于 1 时，头像更典型，也更相似。", undo: "撤销", redo: "重做", hold: "暂存", reset: "清除修改", random: "换一个种子", link: "复制链接", linkCopied: "链接已复制。",
      download: "下载", scale: "放大倍数", picture: "PNG", noiseFile: "噪声（.npy）", command: "命令", commandNpy: "把噪声文件放在当前文件夹，然后运行：",
      seeds: "种子", seedsHelp: "选一个头像作为起点。暂存几个，就可以混合它们。", prev: "上一批种子", next: "下一批种子", goSeed: "从这个种子开始显示",
      directions: "方向", directionsHelp: "第一层中影响最大的方向。点击名称可以改名。", direction: "方向 {n}", moreDirections: "再显示 {n} 个", fewer: "收起", rename: "方向 {n} 的名称", amount: "{name} 的强度",
      numbers: "噪声分量", numbersHelp: "从 {n} 个数中选一个来修改。", number: "序号", value: "第 {n} 个数的值", clear: "清除",
      held: "暂存的头像", heldHelp: "暂存两到四个头像，就可以在面板上混合。", noHeld: "还没有暂存头像。", use: "显示{what}", drop: "移除{what}", holdFull: "最多暂存四个头像，请先移除一个。",
      mix: "混合", mixHelp: "在头像之间拖动圆点，或用方向键移动。", pad: "混合面板：用方向键在暂存的头像之间移动圆点", padValue: "向右 {x}%，向下 {y}%",
      arithmetic: "加减运算", arithmeticHelp: "头像 A 减去头像 B，再加上头像 C。", needHeld: "请先暂存 {n} 个头像。", showResult: "显示 A − B + C", minus: "−", plus: "+",
      walk: "渐变动画", walkHelp: "让暂存的头像依次渐变，做成动画。", frames: "相邻头像之间的帧数", fps: "每秒帧数", loop: "最后回到第一个头像", makeWalk: "生成动画", walkAlt: "暂存头像之间的渐变动画", saveGif: "保存 GIF", saveApng: "保存 APNG",
      light: "浅色", dark: "深色",
      minutes: "{n} 分钟", hours: "{h} 小时 {m} 分钟", seconds: "{n} 秒", resumed: "继续过 {n} 次",
    },
  };

  function stored(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  }
  function store(name, value) {
    // A browser may keep nothing; the page works without.
    try { localStorage.setItem(name, value); } catch { /* nothing to do */ }
  }

  const browser = (navigator.languages || [navigator.language || "en"]).map((tag) => tag.toLowerCase());
  const preferred = browser.find((tag) => tag.startsWith("zh") || tag.startsWith("en")) || "en";
  let language = stored("dcgan.language") || (preferred.startsWith("zh") ? "zh" : "en");
  if (!words[language]) language = "en";

  app.words = words;
  app.stored = stored;
  app.store = store;
  app.language = () => language;
  app.setLanguage = function (next) {
    language = next;
    store("dcgan.language", next);
    document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
  };
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";

  /** The text of a name, with `{x}` replaced by values. */
  app.t = function (name, values) {
    const text = words[language][name] ?? words.en[name] ?? name;
    return text.replace(/\{(\w+)\}/g, (_, key) => (values && key in values ? values[key] : ""));
  };

  const locale = () => (language === "zh" ? "zh-CN" : "en-GB");
  app.integer = (value) => new Intl.NumberFormat(locale(), { maximumFractionDigits: 0 }).format(value);
  app.decimal = function (value, digits = 3) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(1);
    return new Intl.NumberFormat(locale(), { maximumSignificantDigits: digits }).format(value);
  };
  app.bytes = function (count) {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let unit = 0;
    while (count >= 1000 && unit < units.length - 1) { count /= 1000; unit += 1; }
    return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: count < 10 && unit > 0 ? 1 : 0 }).format(count)} ${units[unit]}`;
  };
  app.duration = function (seconds) {
    if (seconds < 90) return app.t("seconds", { n: Math.max(1, Math.round(seconds)) });
    const minutes = Math.round(seconds / 60);
    if (minutes < 90) return app.t("minutes", { n: minutes });
    return app.t("hours", { h: Math.floor(minutes / 60), m: minutes % 60 });
  };
  app.time = function (text) {
    const date = new Date(text);
    if (Number.isNaN(date.getTime())) return text || "–";
    return new Intl.DateTimeFormat(locale(), { timeStyle: "short" }).format(date);
  };
})(window.dcgan = window.dcgan || {});
