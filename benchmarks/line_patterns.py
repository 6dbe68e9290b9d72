"""How fast line rules are: MB/s of 200 patterns at once, and of each shipped pack with line rules.

    python -m benchmarks.line_patterns [PARQUET FILES OR FOLDERS] [--column text] [--batch-mb 16]

The 200 patterns are notices, buttons and menus in 12 languages, personal data, and remains of code, all as rules that
count matching lines. They are compared with RE2 alone: one pattern after the other over all lines, and all as one
alternation (over part of the lines, for it is slow). Every verdict must first be the same. Times are processor times of
one thread, the median of five runs, RE2's of one; `--batch-mb` is how much text the rules get at once, as in a run.
"""

from __future__ import annotations

import argparse
import re
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.documents import megabytes, options, slice_of, texts_of
from benchmarks.figures import median, named, rates, record, timed
from rules.format.pack import load_pack, shipped_packs
from rules.line_rules.line_filter import LineFilter
from rules.line_rules.lines import apply_line_rules
from rules.rule import Pack, Rule
from rules.text.buffers import large_strings

KINDS = ("cookies", "login", "newsletter", "next", "share", "skip", "comments", "contact", "legal", "search", "home", "related", "rights", "more")
PHRASES = """
we use cookies,this website uses cookies|log in,sign up,forgot your password|subscribe to our newsletter,sign up for our newsletter|next page,previous,back to top|share this,share on facebook,tweet|skip to content,skip to navigation|leave a comment,no comments,reply|contact us,about us|privacy policy,terms of use|search,advanced search|home,menu|related articles,you may also like|all rights reserved|read more,continue reading
wir verwenden cookies,diese website nutzt cookies|anmelden,registrieren,passwort vergessen|newsletter abonnieren,unseren newsletter|nächste seite,vorherige,nach oben|teilen,auf facebook teilen|zum inhalt springen,direkt zum inhalt|kommentar schreiben,keine kommentare,antworten|kontakt,über uns|datenschutzerklärung,impressum|suche,erweiterte suche|startseite,menü|ähnliche artikel,das könnte sie auch interessieren|alle rechte vorbehalten|weiterlesen,mehr erfahren
nous utilisons des cookies,ce site utilise des cookies|se connecter,créer un compte,mot de passe oublié|abonnez-vous à notre newsletter,inscrivez-vous|page suivante,précédent,haut de page|partager,partager sur facebook|aller au contenu,passer au contenu|laisser un commentaire,aucun commentaire,répondre|contactez-nous,qui sommes-nous|mentions légales,politique de confidentialité|rechercher,recherche avancée|accueil,menu|articles similaires,à lire aussi|tous droits réservés|lire la suite,en savoir plus
utilizamos cookies,este sitio utiliza cookies|iniciar sesión,crear una cuenta,olvidé mi contraseña|suscríbete a nuestro boletín,suscribirse|página siguiente,anterior,volver arriba|compartir,compartir en facebook|saltar al contenido,ir al contenido|deja un comentario,sin comentarios,responder|contacto,quiénes somos|aviso legal,política de privacidad|buscar,búsqueda avanzada|inicio,menú|artículos relacionados,también te puede interesar|todos los derechos reservados|leer más,seguir leyendo
usamos cookies,este site utiliza cookies|entrar,criar conta,esqueci a senha|assine nossa newsletter,inscreva-se|próxima página,anterior,voltar ao topo|compartilhar,partilhar no facebook|ir para o conteúdo,saltar para o conteúdo|deixe um comentário,nenhum comentário,responder|fale conosco,quem somos|política de privacidade,termos de uso|pesquisar,busca avançada|página inicial,menu|artigos relacionados,veja também|todos os direitos reservados|leia mais,continuar lendo
utilizziamo i cookie,questo sito utilizza i cookie|accedi,registrati,password dimenticata|iscriviti alla newsletter,iscriviti|pagina successiva,precedente,torna su|condividi,condividi su facebook|vai al contenuto,salta al contenuto|lascia un commento,nessun commento,rispondi|contatti,chi siamo|informativa sulla privacy,note legali|cerca,ricerca avanzata|home page,menu principale|articoli correlati,potrebbe interessarti|tutti i diritti riservati|leggi tutto,continua a leggere
wij gebruiken cookies,deze website maakt gebruik van cookies|inloggen,registreren,wachtwoord vergeten|schrijf je in voor onze nieuwsbrief,aanmelden|volgende pagina,vorige,terug naar boven|delen,deel op facebook|ga naar inhoud,spring naar inhoud|plaats een reactie,geen reacties,beantwoorden|neem contact op,over ons|privacyverklaring,algemene voorwaarden|zoeken,uitgebreid zoeken|startpagina,hoofdmenu|gerelateerde artikelen,lees ook|alle rechten voorbehouden|lees verder,meer lezen
używamy plików cookie,ta strona używa cookies|zaloguj się,zarejestruj się,nie pamiętam hasła|zapisz się do newslettera,subskrybuj|następna strona,poprzednia,do góry|udostępnij,udostępnij na facebooku|przejdź do treści,przejdź do menu|dodaj komentarz,brak komentarzy,odpowiedz|kontakt,o nas|polityka prywatności,regulamin|szukaj,wyszukiwanie zaawansowane|strona główna,menu główne|podobne artykuły,zobacz także|wszelkie prawa zastrzeżone|czytaj więcej,czytaj dalej
мы используем файлы cookie,этот сайт использует cookie|войти,регистрация,забыли пароль|подписаться на рассылку,подпишитесь|следующая страница,назад,наверх|поделиться,поделиться в|перейти к содержанию,перейти к содержимому|добавить комментарий,нет комментариев,ответить|контакты,о нас|политика конфиденциальности,пользовательское соглашение|поиск,расширенный поиск|главная,меню|похожие статьи,читайте также|все права защищены|читать далее,подробнее
クッキーを使用しています,当サイトではcookieを使用|ログイン,新規登録,パスワードを忘れた|メルマガ登録,ニュースレター登録|次のページ,前へ,ページの先頭へ|シェア,ツイート|本文へスキップ,コンテンツへスキップ|コメントを残す,コメントはありません,返信|お問い合わせ,会社概要|プライバシーポリシー,利用規約|検索,詳細検索|ホーム,メニュー|関連記事,おすすめ記事|無断転載を禁じます|続きを読む,もっと見る
我们使用cookie,本网站使用cookie|登录,注册,忘记密码|订阅我们的新闻,订阅|下一页,上一页,返回顶部|分享,分享到|跳到内容,跳至主要内容|发表评论,暂无评论,回复|联系我们,关于我们|隐私政策,使用条款|搜索,高级搜索|首页,菜单|相关文章,猜你喜欢|版权所有|阅读更多,查看全文
çerez kullanıyoruz,bu site çerez kullanmaktadır|giriş yap,kayıt ol,şifremi unuttum|bültenimize abone olun,abone ol|sonraki sayfa,önceki,başa dön|paylaş,facebook'ta paylaş|içeriğe geç,ana içeriğe atla|yorum yap,yorum yok,yanıtla|iletişim,hakkımızda|gizlilik politikası,kullanım koşulları|ara,gelişmiş arama|ana sayfa,menü|ilgili yazılar,bunlar da ilginizi çekebilir|tüm hakları saklıdır|devamını oku,daha fazla
"""  # fmt: skip
OTHERS = [
    r"[\w.+-]+@[\w-]+\.[\w.-]+", r"\b(?:\d{1,3}\.){3}\d{1,3}\b", r"\b[A-Z]{2}\d{2}[ ]?(?:[0-9A-Z]{4}[ ]?){3,7}", r"\+\d{1,3}[ ()-]{0,2}(?:\d[ ()-]?){6,12}", r"\(\d{3}\) ?\d{3}-\d{4}",
    r"\b\d{3}-\d{2}-\d{4}\b", r"\b4\d{3}(?:[ -]\d{4}){3}\b", r"(?i)\b(?:tel|fax|phone)[.:] ?[+\d(]", r"(?i)\bmac(?: address)?: ?(?:[0-9a-f]{2}:){5}", r"(?i)password ?[:=] ?\S+",
    r"AKIA[0-9A-Z]{16}", r"gh[pousr]_[A-Za-z0-9]{36}", r"-----BEGIN [A-Z ]*PRIVATE KEY-----", r"eyJ[\w-]{10,}\.eyJ", r"(?:2001|fe80)(?::[0-9a-f]{0,4}){3,7}", r"https?://[^\s/]+:[^\s/]+@",
    r"^[\s\p{Z}]*(?:var|let|const) \w+ ?=", r"function ?\w*\(.*\) ?\{", r"<(?:div|span|a|p|script|img)[ >]", r"^[\s]*[.#]?[\w-]+ ?\{.*\}$", r"&(?:nbsp|amp|lt|gt|quot);", r"document\.(?:write|getElementById)",
    r"window\.[a-zA-Z]+ ?=", r"^[\s]*(?:\}|\);?|\}\);?)$", r"(?i)<!doctype html|<\?xml", r"console\.log\(", r"\bgtag\(|_gaq\.push", r"Traceback \(most recent call last\)",
    r"^\s+at [\w.$]+\([\w.]+:\d+\)", r"\{\{[^}]+\}\}", r"\[/?(?:caption|gallery|embed)[^\]]*\]", r"(?i)lorem ipsum",
]  # fmt: skip


def main() -> None:
    arguments = parse_arguments()
    texts = texts_of(arguments.paths, arguments.column)
    batches = batches_of(texts, int(arguments.batch_mb * 1e6))
    size, patterns = megabytes(texts), two_hundred()
    print(f"{len(texts):,} documents, {size:.1f} MB, {len(batches)} batches")
    ready = timed(lambda: LineFilter(patterns), 1, time.perf_counter, warm=False)
    print(f"{len(patterns)} patterns, made ready or read from disk in {ready[0]:.2f} s, once a process")
    pack = Pack("patterns", "", tuple(Rule(f"rule-{i}", "w", match=pattern) for i, pattern in enumerate(patterns)))
    speeds = rates(size, timed(lambda: [run(pack, batch) for batch in batches]))
    print(f"    together {median(speeds):.1f} MB/s")
    compare(pack, patterns, texts, speeds)
    for path in shipped_packs().values():
        shipped = load_pack(path)
        if any(rule.acts_on_lines for rule in shipped.rules):
            speed = median(rates(size, timed(lambda shipped=shipped: [run(shipped, batch) for batch in batches], 1)))
            print(f"{shipped.name}: {sum(rule.match is not None for rule in shipped.rules)} patterns, {speed:.1f} MB/s (one run)")


def parse_arguments() -> argparse.Namespace:
    parser = options(__doc__)
    parser.add_argument("--column", default="text")
    parser.add_argument("--batch-mb", type=float, default=16.0, help="megabytes of text that the rules get at once")
    return parser.parse_args()


def two_hundred() -> tuple[str, ...]:
    """The patterns, one for each kind and language, and OTHERS."""
    patterns = list(OTHERS)
    for line in PHRASES.strip().splitlines():
        for kind, phrases in zip(KINDS, line.split("|"), strict=True):
            words = "|".join(re.escape(phrase).replace(r"\ ", " ") for phrase in phrases.split(","))
            if kind in ("cookies", "newsletter"):
                patterns.append(rf"(?i)^[\s\p{{Z}}•*-]*({words})([^\p{{L}}]|$)")
            elif kind in ("rights", "more"):
                patterns.append(rf"(?i)({words})[\s\p{{Z}}.…»›→]*$")
            else:
                patterns.append(rf"(?i)^[\s\p{{Z}}•*|«‹-]*({words})([\s\p{{Z}}|/·•]+({words}))*[\s\p{{Z}}.!:»›→]*$")
    return tuple(patterns)


def batches_of(texts: pa.LargeStringArray, size: int) -> list[pa.LargeStringArray]:
    """The texts in pieces of about `size` bytes."""
    ends = np.cumsum(pc.binary_length(texts).to_numpy())
    cuts = [0, *np.searchsorted(ends, np.arange(size, ends[-1], size)).tolist(), len(texts)]
    return [texts.slice(a, b - a) for a, b in zip(cuts, cuts[1:]) if b > a]


def run(pack: Pack, texts: pa.LargeStringArray):
    return apply_line_rules(pack, texts, {i: np.ones(len(texts), bool) for i in range(len(pack.rules))})


def compare(pack: Pack, patterns: tuple[str, ...], texts: pa.LargeStringArray, ours: list[float]) -> None:
    """RE2 alone on a slice spread over the texts; stops unless it says the same. `ours`: MB/s."""
    few = slice_of(texts, 2000)
    per_document = pc.split_pattern(few, "\n")
    lines, document = large_strings(per_document.flatten()), pc.list_parent_indices(per_document).to_numpy()
    found = run(pack, few).matches
    hits: list[np.ndarray] = []
    alone = rates(megabytes(few), timed(lambda: hits.extend(match(lines, pattern) for pattern in patterns), 1, warm=False))
    for i, hit in enumerate(hits):
        if (np.bincount(document[hit], minlength=len(few)) != found[i]).any():
            sys.exit(f"RE2 alone says something else of {patterns[i]}")
    print(f"    every verdict is RE2's on {len(few):,} documents, {len(lines):,} lines, {sum(map(np.sum, hits)):,} matches")
    print(f"    one pattern after the other {alone[0]:.2f} MB/s, ratio {median(ours) / alone[0]:.0f}")
    part = lines.slice(0, 20_000)
    together = rates(megabytes(part), timed(lambda: match(part, "|".join(f"(?:{pattern})" for pattern in patterns)), 1, warm=False))
    print(f"    as one alternation {together[0]:.2f} MB/s, ratio {median(ours) / together[0]:.0f}")
    how, on = f"{len(patterns)} line patterns in 12 languages, every verdict RE2's", f"{len(texts):,} documents, {megabytes(texts):.1f} MB; RE2 on a slice"
    record("line-patterns", how, ours, "MB/s", peer=f"RE2 in {named('pyarrow')}, one pattern after the other", theirs=alone, on=on)
    record("line-patterns-alternation", how, ours, "MB/s", peer=f"RE2 in {named('pyarrow')}, as one alternation", theirs=together, on=on)


def match(lines: pa.Array, pattern: str) -> np.ndarray:
    return pc.match_substring_regex(lines, pattern).to_numpy(zero_copy_only=False)


if __name__ == "__main__":
    main()
