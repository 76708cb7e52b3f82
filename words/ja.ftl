# The sale, before joining
status-scheduled = 開始前
status-open = 販売中
status-paused = 一時停止中
status-sold-out = 完売
status-closed = 終了
starts-on = 開始：{ $at }
join-before-start = 今から並ぶことができます。列は販売開始とともに進みます。
start-not-set = 販売はまだ始まっていません。開始時刻は未定です。
join-before-open = 今から並ぶことができます。列は販売が始まると進みます。
no-units = 現在、販売できる商品がありません。
sale-open = 販売中です。列に並ぶと、順番をリアルタイムでお知らせします。
sale-paused = 販売は一時停止中です。現在、ご案内を止めています。
join-while-paused = 今からでも並べます。順番はそのまま保たれ、再開後に列が進みます。
sale-sold-out = すべて完売しました。これ以上並ぶことはできません。
sale-closed = この販売は終了しました。これ以上並ぶことはできません。
join = 列に並ぶ
join-help = 並んだ順にご案内します。このページを閉じても、同じブラウザーで戻れば順番は保たれます。
all-held = すべての商品がお会計中です。
return-from = { $at } 以降に戻ることがあります。
return-some = 一部が戻ることがあります。
available = 在庫
held = お会計中
sold = 販売済み

# In line
from-seller = ショップからのお知らせ：
paused = 販売は一時停止中です。
paused-help = 現在、ご案内を止めています。順番は保たれます。
in-line = 列に並んでいます
place-taken = 順番を確保しました。開始まで操作は不要です。開始後、このページに現在の順番が表示されます。
waiting = 待っている人
your-place = あなたの順番
in-front = 前にいる人
behind = 後ろにいる人
wait = 待ち時間の目安
chance = 購入できる見込み
chance-certain = 確実
chance-very-likely = 非常に高い
chance-likely = 高い
chance-even = 五分五分
chance-unlikely = 低い
chance-very-unlikely = 非常に低い
chance-none = ほぼ見込みなし
chance-over = { $p } 超
chance-under = { $p } 未満
under-a-minute = 1 分未満
minutes =
    { $n ->
       *[other] { $range } 分
    }
hours =
    { $n ->
       *[other] { $range } 時間
    }
days =
    { $n ->
       *[other] { $n } 日
    }
range = { $low }～{ $high }
percent = { $n }%
day-time = { $date } { $time }
live = リアルタイム表示中
news-old =
    { $n ->
       *[other] 最終更新は { $n } 秒前です。再接続中も順番は保たれます。
    }
alert-me = 順番が来たら知らせる
late-paused = 待ち時間が延びました：販売が一時停止していました。
late-all-held = 待ち時間が延びました：すべての商品がお会計中で、戻りが遅れました。
late-checkout-full = 待ち時間が延びました：お会計が混み合っており、終わり次第、次の方をご案内します。
late-pace = 待ち時間が延びました：ショップがご案内の速さを変更しました。
late-outage = 待ち時間が延びました：障害の後、全員の順番を保ったまま列を復旧しました。
late-slower = 待ち時間が延びました：前の方のお会計に以前より時間がかかっています。
hopeless = 前に並んでいる方の購入数が、残りの商品数を上回る見込みです。このまま待つこともできます。購入されなかった商品は次の方に回ります。今、列を離れて待たずに済ませることもできます。
numbers = この数字の根拠
numbers-help = 待ち時間：この販売の直近数分間のご案内の速さから計算しています。見込み：前に並んでいる方のうち購入する人数が、残りの商品数より少なくなる確率です。この販売でこれまでにお会計に進んだ方のうち、購入した割合から計算しています。
leave = 列を離れる
leave-help = 順番は完全に失われます。並び直すと列の最後尾になります。
leave-yes = はい、順番を手放します

# Going on on another device
move = 別の端末で続ける
move-help = リンクと QR コードを発行します。順番は変わりません。移した後、この端末では使えなくなります。
move-make = リンクを作成
move-link = 別の端末のカメラをここに向けてください。リンクは { $at } まで、一度だけ使えます。開いた方に順番が移ります。
qr = 下のリンクの QR コード
moved = この順番は別の端末に移りました
moved-help = 現在はその端末に表示され、この端末では使えません。戻すには、その端末で「別の端末で続ける」を押してください。
take = この端末で続けますか？
take-help = 順番がこの端末に移ります。元の端末では使えなくなります。
take-yes = はい、ここで続ける
take-warning = このリンクは他の方から届いたものですか？続けると、その方の順番があなたに移ります。このページを閉じれば、何も変わりません。

# The turn, and how a ticket ends
turn = あなたの順番です
turn-title = 順番です
held-until = { $at } まで商品をお取り置きしています。
go-checkout = お会計へ進む
no-checkout-address = 商品は { $at } までお取り置きしています。ショップのお会計ページのアドレスが登録されていません。別のタブでショップのページを開き、このタブは開いたままにしてください。
if-late = 時間内に購入されない場合、お取り置きは終了します。
yours = 購入が完了しました
order-confirmed = ご注文を確定しました。商品番号 { $unit } はあなたのものです。
order = 注文番号
open-receipt = 領収ページを開く
expired = お会計の時間が終わりました
expired-help = 商品は { $at } までお取り置きしていました。
released = 商品を返却しました
released-help = お取り置きは終了しました。
sold-out = 完売しました
sold-out-help = すべて完売したため、列は終了しました。お待ちいただきありがとうございました。
closed = 販売は終了しました
closed-help = あなたの順番の前に、ショップが販売を終了しました。
left = 列を離れました
left-help = 順番は後ろの方に移りました。
removed = 列から外されました
removed-help = ショップがこの順番を取り消しました。お心当たりがない場合は、ショップにお問い合わせください。
join-again = もう一度並ぶ
join-again-help = 列の最後尾に並び直します。

# Spoken by screen readers
say-scheduled = 列に並んでいます。販売はまだ始まっていません。
say-waiting = 現在 { $position } 番目です。
say-admitted = あなたの順番です。お会計の残り時間は { $left } です。
say-confirmed = ご注文を確定しました。
say-minute = 残り 1 分です。
say-over = 時間切れです。あと数秒は間に合うかもしれません。

# The checkout and the receipt
checkout = お会計
unit-held = 商品番号 { $unit } をお取り置きしています
buy-before = { $at } までにご購入ください。それ以降、お取り置きは終了します。
over = 時間切れです。
over-help = あと数秒は間に合うかもしれません。「購入する」を押してお試しください。
reference = お支払い番号
optional = （任意）
reference-help = 領収ページに表示されます。200 文字まで。
reference-bad = 200 文字以内で入力してください。
buy = 購入する
not-wanted = 購入しない
not-wanted-help = お取り置きは終了します。この操作は取り消せません。
give-back = 返却する
unknown-outcome = 完了したかどうか、まだ確認できていません。もう一度「購入する」を押してください。二重に請求されることはありません。
receipt = 領収ページ
receipt-help = ご注文は確定し、確かに記録されました。
sale = 販売
unit = 商品番号
confirmed-at = 確定日時
keep = このページを保管してください。印刷、保存、または注文番号を控えてください。ショップへのお問い合わせの際の証明になります。

# The foot of a page
in-utc = 時刻は UTC です。
refreshes = このページは 10 秒ごとに更新されます。
left-as-opened = 残り時間はページを開いた時点のものです。
language = 言語
change = 変更

# Ways to say no
nothing-here = ページが見つかりません
nothing-here-help = アドレスを確認するか、ショップのページからもう一度お試しください。
too-many = アクセスが多すぎます
too-many-help = お使いの回線から、一度に受け付けられる数を超えるアクセスがありました。
line-full = 列がいっぱいです
line-full-help = しばらくしてからもう一度お越しください。
away = 少し待ってからお越しください
away-help = サイトの一部が応答していません。並んでいる方の順番は保たれます。
not-known = 結果が確認できません
not-known-help = 完了していることも、していないこともあります。待合室を確認してから、もう一度お試しください。
our-fault = 問題が発生しました
our-fault-help = 原因は当方にあり、記録されました。
link-ended = このリンクは無効です
link-ended-help = すでに使用されたか、期限が切れています。順番のある端末で新しいリンクを作成してください。
already-in-line = このブラウザーはすでに並んでいます
already-in-line-help = 一つの販売で、一つのブラウザーが取れる順番は一つです。先にここで列を離れてから、もう一度リンクを開いてください。
changed = この操作はもうできません
changed-help = その間に状況が変わりました。待合室で現在の状況をご覧ください。
cookies-off = このブラウザーはこのサイトの Cookie を保存していません
cookies-off-help = このサイトは Cookie で順番を見分けています。何も変更されていません。このサイトの Cookie を許可してから、このページを開き直してください。
other-site = この操作はこのサイトから送られたものではありません
other-site-help = ショップのページから販売ページを開き直してください。それでもうまくいかない場合はショップの設定に問題があります。ショップにお知らせください。
not-taken = この操作は受け付けられませんでした
not-taken-help = 待合室に戻って、もう一度お試しください。
retry-seconds =
    { $n ->
       *[other] { $n } 秒後にもう一度お試しください。
    }
retry-minutes =
    { $n ->
       *[other] { $n } 分後にもう一度お試しください。
    }
back = 待合室に戻る
