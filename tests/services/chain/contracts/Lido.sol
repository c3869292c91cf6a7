// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Staked ether by shares, as Lido's: its balances grow without a log.
contract StakedEther {
    uint256 public totalShares;
    uint256 public pooled;
    mapping(address => uint256) public sharesOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event TransferShares(address indexed from, address indexed to, uint256 shares);

    function decimals() external pure returns (uint8) {
        return 18;
    }

    function submit(address) external payable returns (uint256 shares) {
        require(msg.value != 0, "ZERO_DEPOSIT");
        shares = totalShares == 0 ? msg.value : (msg.value * totalShares) / pooled;
        pooled += msg.value;
        totalShares += shares;
        sharesOf[msg.sender] += shares;
        emit Transfer(address(0), msg.sender, inEther(shares));
        emit TransferShares(address(0), msg.sender, shares);
    }

    /// The rewards of a day.
    function rebase() external payable {
        pooled += msg.value;
    }

    function balanceOf(address who) external view returns (uint256) {
        return inEther(sharesOf[who]);
    }

    function inEther(uint256 shares) public view returns (uint256) {
        return totalShares == 0 ? 0 : (shares * pooled) / totalShares;
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        require(allowance[from][msg.sender] >= value, "ALLOWANCE_EXCEEDED");
        allowance[from][msg.sender] -= value;
        uint256 shares = (value * totalShares) / pooled;
        require(sharesOf[from] >= shares, "BALANCE_EXCEEDED");
        sharesOf[from] -= shares;
        sharesOf[to] += shares;
        emit Transfer(from, to, value);
        emit TransferShares(from, to, shares);
        return true;
    }
}

/// The queue that stakes are taken out by: asked for, finalised by somebody else, claimed.
contract WithdrawalQueue {
    struct Status {
        uint256 amountOfStETH;
        uint256 amountOfShares;
        address owner;
        uint256 timestamp;
        bool isFinalized;
        bool isClaimed;
    }

    StakedEther public immutable staked;
    Status[] private requests;
    mapping(uint256 => uint256) private claimable;

    event WithdrawalRequested(
        uint256 indexed requestId,
        address indexed requestor,
        address indexed owner,
        uint256 amountOfStETH,
        uint256 amountOfShares
    );
    event WithdrawalClaimed(
        uint256 indexed requestId, address indexed owner, address indexed receiver, uint256 amountOfETH
    );
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);

    constructor(StakedEther staked_) {
        staked = staked_;
        requests.push();
    }

    function requestWithdrawals(uint256[] calldata amounts, address owner) external returns (uint256[] memory ids) {
        ids = new uint256[](amounts.length);
        for (uint256 i = 0; i < amounts.length; i++) {
            require(amounts[i] >= 100, "RequestAmountTooSmall");
            require(amounts[i] <= 1000 ether, "RequestAmountTooLarge");
            staked.transferFrom(msg.sender, address(this), amounts[i]);
            ids[i] = requests.length;
            uint256 shares = (amounts[i] * staked.totalShares()) / staked.pooled();
            requests.push(Status(amounts[i], shares, owner, block.timestamp, false, false));
            emit WithdrawalRequested(ids[i], msg.sender, owner, amounts[i], shares);
            emit Transfer(address(0), owner, ids[i]);
        }
    }

    /// After the days that it takes; a loss leaves less than was asked for.
    function finalize(uint256 id, uint256 amount) external payable {
        require(msg.value == amount && amount <= requests[id].amountOfStETH, "amount");
        requests[id].isFinalized = true;
        claimable[id] = amount;
    }

    function getWithdrawalStatus(uint256[] calldata ids) external view returns (Status[] memory said) {
        said = new Status[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) said[i] = requests[ids[i]];
    }

    function claimWithdrawal(uint256 id) external {
        Status storage one = requests[id];
        require(one.owner == msg.sender, "NotOwner");
        require(one.isFinalized && !one.isClaimed, "RequestNotFoundOrNotFinalized");
        one.isClaimed = true;
        emit WithdrawalClaimed(id, msg.sender, msg.sender, claimable[id]);
        emit Transfer(msg.sender, address(0), id);
        (bool paid, ) = msg.sender.call{value: claimable[id]}("");
        require(paid, "CantSendValueRecipientMayHaveReverted");
    }
}
