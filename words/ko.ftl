# The sale, before joining
status-scheduled = 시작 전
status-open = 판매 중
status-paused = 일시 중지
status-sold-out = 품절
status-closed = 종료
starts-on = 시작: { $at }
join-before-start = 지금 미리 줄을 설 수 있습니다. 판매가 시작되면 줄이 움직입니다.
start-not-set = 아직 판매가 시작되지 않았습니다. 시작 시간은 미정입니다.
join-before-open = 지금 미리 줄을 설 수 있습니다. 판매가 열리면 줄이 움직입니다.
no-units = 지금은 판매할 상품이 없습니다.
sale-open = 판매 중입니다. 줄을 서면 순서를 실시간으로 보여 드립니다.
sale-paused = 판매가 일시 중지되었습니다. 지금은 입장할 수 없습니다.
join-while-paused = 지금도 줄을 설 수 있습니다. 순서는 유지되며 판매가 재개되면 줄이 움직입니다.
sale-sold-out = 모두 판매되었습니다. 더 이상 줄을 설 수 없습니다.
sale-closed = 판매가 종료되었습니다. 더 이상 줄을 설 수 없습니다.
join = 줄 서기
join-help = 줄을 선 순서대로 안내합니다. 이 페이지를 닫아도 같은 브라우저로 돌아오면 순서가 유지됩니다.
all-held = 모든 상품이 결제 중입니다.
return-from = { $at }부터 일부가 다시 나올 수 있습니다.
return-some = 일부가 다시 나올 수 있습니다.
available = 남은 수량
held = 결제 중
sold = 판매됨

# In line
from-seller = 판매자 알림:
paused = 판매가 일시 중지되었습니다.
paused-help = 지금은 입장할 수 없습니다. 순서는 유지됩니다.
in-line = 줄을 서 있습니다
place-taken = 순서가 확보되었습니다. 시작할 때까지 아무것도 하지 않아도 됩니다. 시작되면 이 페이지에서 순서를 볼 수 있습니다.
waiting = 대기 인원
your-place = 내 순서
in-front = 앞사람
behind = 뒷사람
wait = 예상 대기 시간
chance = 구매 가능성
chance-certain = 확실함
chance-very-likely = 매우 높음
chance-likely = 높음
chance-even = 반반
chance-unlikely = 낮음
chance-very-unlikely = 매우 낮음
chance-none = 현실적으로 어려움
chance-over = { $p } 초과
chance-under = { $p } 미만
under-a-minute = 1분 미만
minutes =
    { $n ->
       *[other] { $range }분
    }
hours =
    { $n ->
       *[other] { $range }시간
    }
days =
    { $n ->
       *[other] { $n }일
    }
range = { $low }~{ $high }
percent = { $n }%
day-time = { $date } { $time }
live = 실시간
news-old =
    { $n ->
       *[other] 마지막 소식: { $n }초 전. 다시 연결하는 동안에도 순서는 유지됩니다.
    }
alert-me = 내 차례가 되면 알림 받기
late-paused = 대기 시간이 길어졌습니다. 판매가 한동안 일시 중지되었습니다.
late-all-held = 대기 시간이 길어졌습니다. 모든 상품이 결제 중이었고 늦게 다시 나왔습니다.
late-checkout-full = 대기 시간이 길어졌습니다. 결제 인원이 가득 차서, 다른 사람이 끝나는 대로 다음 사람이 입장합니다.
late-pace = 대기 시간이 길어졌습니다. 판매자가 입장 속도를 바꾸었습니다.
late-outage = 대기 시간이 길어졌습니다. 장애 후 모두의 순서를 그대로 유지한 채 줄을 복구했습니다.
late-slower = 대기 시간이 길어졌습니다. 앞사람들의 결제가 전보다 오래 걸립니다.
hopeless = 앞사람들이 남은 수량보다 많이 구매할 것으로 보입니다. 계속 기다릴 수 있습니다. 구매되지 않은 상품은 다음 사람에게 넘어갑니다. 지금 나가서 기다리지 않아도 됩니다.
numbers = 이 숫자의 근거
numbers-help = 대기 시간: 이 판매의 최근 몇 분간 입장 속도입니다. 가능성: 앞사람 중 구매하는 사람이 남은 수량보다 적을 확률이며, 지금까지 이 판매의 결제 중 구매로 끝난 비율로 계산합니다.
leave = 줄에서 나가기
leave-help = 순서가 완전히 사라집니다. 다시 서면 맨 뒤에서 시작합니다.
leave-yes = 네, 순서를 포기합니다

# Going on on another device
move = 다른 기기에서 계속하기
move-help = 링크와 QR 코드를 받습니다. 순서는 그대로이며, 옮긴 뒤에는 이 기기에서 사용할 수 없습니다.
move-make = 링크 만들기
move-link = 다른 기기의 카메라로 여기를 비추세요. 링크는 { $at }까지 한 번만 쓸 수 있으며, 여는 사람이 순서를 받습니다.
qr = 아래 링크의 QR 코드
moved = 이 순서는 다른 기기로 옮겨졌습니다
moved-help = 이제 그 기기에 표시되며 이 기기에서는 사용할 수 없습니다. 되돌리려면 그 기기에서 ‘다른 기기에서 계속하기’를 누르세요.
take = 이 기기에서 계속할까요?
take-help = 순서가 이 기기로 옮겨집니다. 다른 기기에서는 더 이상 사용할 수 없습니다.
take-yes = 네, 여기서 계속합니다
take-warning = 다른 사람이 이 링크를 보냈나요? 계속하면 그 사람의 순서를 받게 됩니다. 이 페이지를 닫으면 아무것도 바뀌지 않습니다.

# The turn, and how a ticket ends
turn = 내 차례입니다
turn-title = 내 차례
held-until = { $at }까지 상품이 예약되어 있습니다.
go-checkout = 결제하러 가기
no-checkout-address = { $at }까지 상품이 예약되어 있습니다. 쇼핑몰이 결제 주소를 알려 주지 않았습니다. 다른 탭에서 쇼핑몰 페이지를 열고 이 탭은 열어 두세요.
if-late = 시간 안에 구매하지 않으면 상품 예약이 끝납니다.
yours = 구매가 완료되었습니다
order-confirmed = 주문이 확정되었습니다. { $unit }번 상품을 구매했습니다.
order = 주문 번호
open-receipt = 영수증 열기
expired = 결제 시간이 끝났습니다
expired-help = { $at }까지 상품이 예약되어 있었습니다.
released = 상품을 반납했습니다
released-help = 상품 예약이 끝났습니다.
sold-out = 품절되었습니다
sold-out-help = 모두 판매되어 줄이 끝났습니다. 기다려 주셔서 감사합니다.
closed = 판매가 종료되었습니다
closed-help = 차례가 되기 전에 판매자가 판매를 종료했습니다.
left = 줄에서 나갔습니다
left-help = 순서는 뒷사람에게 넘어갔습니다.
removed = 줄에서 제외되었습니다
removed-help = 판매자가 이 순서를 취소했습니다. 잘못되었다고 생각하시면 쇼핑몰에 문의해 주세요.
join-again = 다시 줄 서기
join-again-help = 줄의 맨 뒤에서 새로 시작합니다.

# Spoken by screen readers
say-scheduled = 줄을 서 있습니다. 아직 판매가 시작되지 않았습니다.
say-waiting = 현재 { $position }번째입니다.
say-admitted = 내 차례입니다. 결제 남은 시간은 { $left }입니다.
say-confirmed = 주문이 확정되었습니다.
say-minute = 1분 남았습니다.
say-over = 시간이 끝났습니다. 몇 초 동안은 아직 될 수도 있습니다.

# The checkout and the receipt
checkout = 결제
unit-held = { $unit }번 상품이 예약되어 있습니다
buy-before = { $at } 전에 구매해 주세요. 그 후에는 상품 예약이 끝납니다.
over = 시간이 끝났습니다.
over-help = 몇 초 동안은 아직 될 수도 있습니다. ‘지금 구매’를 눌러 시도해 보세요.
reference = 결제 참조 번호
optional = (선택)
reference-help = 영수증에 표시됩니다. 최대 200자.
reference-bad = 200자 이내로 입력해 주세요.
buy = 지금 구매
not-wanted = 구매하지 않겠습니다
not-wanted-help = 상품 예약이 끝납니다. 되돌릴 수 없습니다.
give-back = 반납하기
unknown-outcome = 완료되었는지 아직 확인되지 않았습니다. ‘지금 구매’를 다시 눌러 주세요. 두 번 청구되지 않습니다.
receipt = 영수증
receipt-help = 주문이 확정되어 안전하게 기록되었습니다.
sale = 판매
unit = 상품 번호
confirmed-at = 확정 시간
keep = 이 페이지를 보관하세요. 인쇄하거나 저장하거나 주문 번호를 적어 두세요. 쇼핑몰에 문의할 때 증빙이 됩니다.

# The foot of a page
in-utc = 시간은 UTC 기준입니다.
refreshes = 이 페이지는 10초마다 새로 고쳐집니다.
left-as-opened = 남은 시간은 페이지를 연 시점 기준입니다.
language = 언어
change = 변경

# Ways to say no
nothing-here = 페이지를 찾을 수 없습니다
nothing-here-help = 주소를 확인하거나 쇼핑몰 페이지에서 다시 시작해 주세요.
too-many = 요청이 너무 많습니다
too-many-help = 한 번에 받을 수 있는 것보다 많은 요청이 들어왔습니다.
line-full = 줄이 가득 찼습니다
line-full-help = 잠시 후 다시 와 주세요.
away = 잠시 후 다시 와 주세요
away-help = 사이트의 일부가 응답하지 않습니다. 줄을 서 있다면 순서는 유지됩니다.
not-known = 결과를 알 수 없습니다
not-known-help = 완료되었을 수도, 아닐 수도 있습니다. 대기실을 확인한 뒤 다시 시도해 주세요.
our-fault = 문제가 발생했습니다
our-fault-help = 저희 쪽 오류이며 기록되었습니다.
link-ended = 이 링크는 더 이상 쓸 수 없습니다
link-ended-help = 이미 사용되었거나 너무 오래되었습니다. 순서가 있는 기기에서 새로 만들어 주세요.
already-in-line = 이 브라우저에는 이미 순서가 있습니다
already-in-line-help = 한 판매에서 브라우저 하나는 순서를 하나만 가집니다. 먼저 여기서 줄에서 나간 뒤 링크를 다시 열어 주세요.
changed = 이제 할 수 없습니다
changed-help = 그사이에 상황이 바뀌었습니다. 대기실에서 현재 상황을 볼 수 있습니다.
cookies-off = 이 브라우저는 이 사이트의 쿠키를 저장하지 않습니다
cookies-off-help = 이 사이트는 쿠키로 순서를 알아봅니다. 바뀐 것은 없습니다. 이 사이트의 쿠키를 허용한 다음 이 페이지를 다시 열어 주세요.
other-site = 이 요청은 이 사이트에서 오지 않았습니다
other-site-help = 상점 페이지에서 판매 페이지를 다시 열어 주세요. 그래도 안 되면 상점 설정에 문제가 있는 것이니 상점에 알려 주세요.
not-taken = 요청을 처리할 수 없습니다
not-taken-help = 대기실로 돌아가 다시 시도해 주세요.
retry-seconds =
    { $n ->
       *[other] { $n }초 후에 다시 시도해 주세요.
    }
retry-minutes =
    { $n ->
       *[other] { $n }분 후에 다시 시도해 주세요.
    }
back = 대기실로 돌아가기
